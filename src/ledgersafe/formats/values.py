"""JSON values and typed ones as the text that rows are made of: exactly what they are, in their contract's spelling."""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec

from ledgersafe.formats.rows import Spelling, Wishes

_decode_text = msgspec.json.Decoder(str).decode
Raw = dict[str, msgspec.Raw]
_decode_object = msgspec.json.Decoder(Raw).decode
_MOST_ZEROS = 60
"""Numbers with an exponent are written out up to here: 1e999999999 would be a gigabyte."""
_TIME_MARKS = ("%H", "%I", "%T", "%X", "%c", "%R", "%r")
_OTHERS_MARKS = ("%.", "%:", "%#", "%3", "%6", "%9")
"""Of formats that Python's strftime has no word for."""


def as_text(value: msgspec.Raw, point: str = ".") -> str:
    """A JSON value as text: strings without their quotes, null as the empty text, all else as it stands."""
    raw = bytes(value).strip()
    if raw.startswith(b'"'):
        return _decode_text(raw)
    if raw == b"null":
        return ""
    text = raw.decode()
    return number_text(text, point) if text[0] in "-0123456789" else text


def row_of(members: Raw, columns: dict[str, None], spelling: Callable[[str], Spelling] | None) -> dict[str, str]:
    """A row of an object's members; columns that are new to `columns` are added to it."""
    for name in members:
        columns.setdefault(name)
    if spelling is None:
        return {name: as_text(value) for name, value in members.items()}
    return {name: as_text(value, spelling(name).point) for name, value in members.items()}


def read_object(item: msgspec.Raw | str, columns: dict[str, None], wishes: Wishes) -> dict[str, str] | str:
    """The row of a JSON object, or what is wrong with it; its new columns are added."""
    try:
        return row_of(_decode_object(item), columns, wishes.spelling)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"is no JSON object: {error}"
    except RecursionError:
        return "is no JSON object that is read: it is nested too deep"


def number_text(text: str, point: str = ".") -> str:
    """A number without an exponent, with that decimal separator. What is none stays as it is."""
    if "e" in text or "E" in text:
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        if not number.is_finite() or abs(number.adjusted()) > _MOST_ZEROS:
            return text
        text = format(number, "f")
    return text if point == "." else text.replace(".", point)


def spelled(value: Any, spelling: Spelling) -> str:
    """A value of a typed file as text: exact numbers, times as the contract writes them, JSON for what is nested."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return number_text(str(value), spelling.point)
    if isinstance(value, date):
        return _time_text(value, spelling.form)
    if isinstance(value, bytes):
        return _bytes_text(value)
    if isinstance(value, dict | list):
        return msgspec.json.encode(cast("Any", value)).decode()
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)


def _time_text(value: date, form: str | None) -> str:
    """As the contract writes it, unless the form would lose the time of day, or the offset."""
    has_time = isinstance(value, datetime) and (value.time() != time() or value.tzinfo is not None)
    fits = form is not None and not any(mark in form for mark in _OTHERS_MARKS)
    if form is not None and fits and (not has_time or any(mark in form for mark in _TIME_MARKS)):
        is_aware = isinstance(value, datetime) and value.tzinfo is not None
        if not is_aware or "%z" in form:
            return value.strftime(form)
    if isinstance(value, datetime) and not has_time:
        return value.date().isoformat()  # spreadsheets have no dates, only midnights
    return value.isoformat()


def _bytes_text(value: bytes) -> str:
    """Text, which older writers keep as bytes; else in hexadecimal."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
