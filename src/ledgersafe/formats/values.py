"""JSON values and typed ones as the text that rows are made of: exactly what they are, in their contract's spelling."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, cast

import msgspec

from ledgersafe.formats.rows import Spelling, Wishes

_decode_text = msgspec.json.Decoder(str).decode
Raw = dict[str, msgspec.Raw]
_decode_object = msgspec.json.Decoder(Raw).decode


class _Name:
    """A member's name that is equal to no other one."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


decode_every = msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=lambda _, text: _Name(text)).decode
"""An object's members, also those that come again."""
_MOST_ZEROS = 60
"""Numbers with an exponent are written out up to here: 1e999999999 would be a gigabyte."""
_SHOWN = 60
_AS_IT_STANDS = Spelling()
_COLON = re.compile(rb'"\s*:')
_LONGER = {"%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%e": "%d", "%h": "%b", "%P": "%p"}
"""What Python writes, and reads only in other words."""
_SHORT_YEARS = range(1970, 2069)
"""Which years two digits stand for when a contract reads them; Python draws the line elsewhere."""


def as_text(value: msgspec.Raw, spelling: Spelling = _AS_IT_STANDS) -> str:
    """A JSON value as text: strings without their quotes, null as the empty text, all else as it stands."""
    raw = bytes(value).strip()
    if raw.startswith(b'"'):
        return _decode_text(raw)
    if raw == b"null":
        return ""
    text = raw.decode()
    return number_text(text, spelling) if text[0] in "-0123456789" else text


def row_of(members: Raw, columns: dict[str, None], spelling: Callable[[str], Spelling] | None) -> dict[str, str]:
    """A row of an object's members; columns that are new to `columns` are added to it."""
    for name in members:
        columns.setdefault(name)
    if spelling is None:
        return {name: as_text(value) for name, value in members.items()}
    return {name: as_text(value, spelling(name)) for name, value in members.items()}


def read_object(item: msgspec.Raw | str, columns: dict[str, None], wishes: Wishes) -> dict[str, str] | str:
    """The row of a JSON object, or what is wrong with it; its new columns are added."""
    try:
        members = _decode_object(item)
        if (twice := _twice(item, members)) is not None:
            return f"has the member {twice[:_SHOWN]!r} twice: which of them counts is not known"
        return row_of(members, columns, wishes.spelling)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"is no JSON object: {error}"
    except RecursionError:
        return "is no JSON object that is read: it is nested too deep"


def _twice(item: msgspec.Raw | str, members: Raw) -> str | None:
    """The name of a member that comes again. Where there are no more colons than members, none does."""
    raw = item.encode() if isinstance(item, str) else bytes(item)
    if len(_COLON.findall(raw)) == len(members):
        return None
    seen: set[str] = set()
    for name in decode_every(raw):
        if name.text in seen:
            return name.text
        seen.add(name.text)
    return None


def number_text(text: str, spelling: Spelling) -> str:
    """A number without an exponent, with that decimal separator. What is none stays as it is.

    Where the contract has numbers, or texts that tell events apart, zeros at the end go: 1.000 is one, and only as a
    text may it be a thousand.
    """
    if "e" in text or "E" in text:
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        if not number.is_finite() or abs(number.adjusted()) > _MOST_ZEROS:
            return text
        text = format(number, "f")
    if (spelling.is_amount or spelling.tells_events) and text.endswith("0") and "." in text:
        text = text.rstrip("0").removesuffix(".")
    return text if spelling.point == "." else text.replace(".", spelling.point)


def spelled(value: Any, spelling: Spelling) -> str:
    """A value of a typed file as text: exact numbers, times as the contract writes them, JSON for what is nested."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return number_text(str(value), spelling)
    if isinstance(value, date):
        return _time_text(value, spelling.form)
    if isinstance(value, bytes):
        return _bytes_text(value)
    if isinstance(value, dict | list):
        return msgspec.json.encode(cast("Any", value)).decode()
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)


def _time_text(value: date, form: str | None) -> str:
    """As the contract writes it, unless the form would lose anything: the century, the seconds, the offset."""
    if form is not None and (text := _in_form(value, form)) is not None:
        return text
    if isinstance(value, datetime) and value.time() == time() and value.tzinfo is None:
        return value.date().isoformat()  # spreadsheets have no dates, only midnights
    return value.isoformat()


@lru_cache(maxsize=10_000)
def _in_form(value: date, form: str) -> str | None:
    """The text, if it is read back as what it was."""
    for short, longer in _LONGER.items():
        form = form.replace(short, longer)
    if "%f" in form or ("%y" in form and value.year not in _SHORT_YEARS):
        return None
    try:
        text = value.strftime(form)
        back = datetime.strptime(text, form)  # noqa: DTZ007 - it has an offset if the value has
    except ValueError:
        return None
    return text if back == (value if isinstance(value, datetime) else datetime.combine(value, time())) else None


def _bytes_text(value: bytes) -> str:
    """Text, which older writers keep as bytes; else in hexadecimal."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
