"""JSON values as the text that rows are made of: exactly as they were written."""

from datetime import datetime, time
from typing import Any, cast

import msgspec

_decode_text = msgspec.json.Decoder(str).decode
Raw = dict[str, msgspec.Raw]


def as_text(value: msgspec.Raw) -> str:
    """A JSON value as text: strings without their quotes, null as the empty text, all else as it stands."""
    raw = bytes(value).strip()
    if raw.startswith(b'"'):
        return _decode_text(raw)
    return "" if raw == b"null" else raw.decode()


def row_of(members: Raw, columns: dict[str, None]) -> dict[str, str]:
    """A row of an object's members; columns that are new to `columns` are added to it."""
    for name in members:
        columns.setdefault(name)
    return {name: as_text(value) for name, value in members.items()}


def spelled(value: Any) -> str:
    """A value of a typed file as text: exact numbers, ISO 8601 times, JSON for what is nested."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict | list):
        return msgspec.json.encode(cast("Any", value)).decode()
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        return value.date().isoformat()  # spreadsheets have no dates, only midnights
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)
