"""What must hold of one column of a contract, and of how it says that files are to be read. Pure.

What would only fail, or be misread, when a file comes is refused here.
"""

import codecs
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledgersafe.contracts.datasets.bounds import bound_faults
from ledgersafe.contracts.datasets.shape import ColumnShape, SourceShape
from ledgersafe.contracts.datasets.types import ColumnType, UnknownType, parse_type
from ledgersafe.kernel.money import is_currency

DIRECTIVE = re.compile(r"%([-_0]?[A-Za-z%]|\.[369]?f|[369]f|[:#]z|.?)")
_KNOWN = {*"YymbBhdejFDvHkIlMSTRpPzaAnt%", ".f", ".3f", ".6f", ".9f", "3f", "6f", "9f", ":z", "#z"}
_NO_ZONES = ("Factory", "localtime", "posixrules")
_NO_ENCODINGS = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem")
_OF_PYTHON_ALONE = re.compile(r"\\[ZN]|\{,|\(\?[#>(]|\(\?[imsux]*[aL]")


def column_faults(column: ColumnShape) -> Iterator[tuple[str, str]]:
    """(member, what is wrong) of every fault."""
    try:
        kind = parse_type(column.type)
    except UnknownType as error:
        yield "type", str(error)
        return
    if column.decimal == column.thousands:
        yield "thousands", "is the decimal separator, too"
    if column.format is not None and not kind.is_time:
        yield "format", f"is for date and datetime, not for {kind}"
    if column.format is not None and kind.is_time:
        for form in [column.format] if isinstance(column.format, str) else column.format:
            yield from (("format", f"{form!r} {message}") for message in _format_faults(form, kind))
    if column.currency is not None and not (kind.is_number and is_currency(column.currency)):
        yield "currency", f"{column.currency!r} is no ISO 4217 code of a number"
    if column.default is not None and kind.name != "string":
        yield "default", f"is for string, not for {kind}: a value that nobody gave is none"
    if column.time_zone is not None:
        yield from _zone_faults(column.time_zone)
    if column.pattern is not None:
        yield from _pattern_faults(column.pattern)
    yield from bound_faults(column, kind)


def _format_faults(form: str, kind: ColumnType) -> Iterator[str]:
    """It must say a whole day, and nothing that is read otherwise than it is meant."""
    marks = {mark.lstrip("-_0") or mark for mark in DIRECTIVE.findall(form)}
    if unknown := sorted(f"%{mark}" for mark in marks - _KNOWN):
        hint = "; fractions of seconds are %.f" if "%f" in unknown else ""
        yield f"has {', '.join(unknown)}, which is not taken{hint}"
    has_year, has_month = marks & {*"Yy"}, marks & {*"mbBh"}
    if not (marks & {*"FDv"} or (has_year and "j" in marks) or (has_year and has_month and marks & {*"de"})):
        yield "says no whole day: it needs a year, a month and a day"
    if marks & {*"Il"} and not marks & {*"pP"}:
        yield "has %I without %p: whether it is before or after noon is not said"
    yield from _time_of_day_faults(marks)
    if kind.name == "date" and marks & {"z", ":z", "#z"}:
        yield "has an offset, which a date does not have: the column is a datetime"


def _time_of_day_faults(marks: set[str]) -> Iterator[str]:
    hours = marks & {*"HkIlTR"}
    if marks & {*"HkIl"} and not marks & {*"MTR"}:
        yield "has hours without minutes (%M)"
    if marks & {*"MS"} and not hours:
        yield "has minutes or seconds without hours (%H)"
    if marks & {*"pP"} and not marks & {*"Il"}:
        yield "has %p, but not the hours that it belongs to (%I): write %I, or leave %p out"


def _zone_faults(zone: str) -> Iterator[tuple[str, str]]:
    """Of what is no place: the machine's own zone, and clocks that count leap seconds."""
    try:
        if zone in _NO_ZONES or zone.startswith(("right/", "posix/")):
            raise ValueError(zone)
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "time_zone", f"{zone!r} is no IANA time zone, such as Europe/London"


def _pattern_faults(pattern: str) -> Iterator[tuple[str, str]]:
    """Rust's regular expressions run the check; they have no look-around and no back-references, and never hang."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        yield "pattern", f"is no regular expression: {error}"
        return
    if re.search(r"\(\?<?[=!]|\\[1-9]|\(\?P=", pattern):
        yield "pattern", "look-around and back-references are not taken"
    elif (found := _OF_PYTHON_ALONE.search(pattern.replace("\\\\", ""))) is not None:
        yield "pattern", f"{found[0]!r} is of Python's regular expressions alone, and not taken"


def source_faults(source: SourceShape) -> Iterator[tuple[str, str]]:
    """(member, what is wrong) of every fault."""
    mark = source.delimiter
    if mark is not None and (not mark.isascii() or mark.isalnum() or mark in '\0\r\n"'):
        yield (
            "delimiter",
            f"{mark!r} delimits nothing: it is one ASCII character, no letter, digit, quotation mark or NUL",
        )
    if source.encoding is not None and not _is_encoding(source.encoding):
        yield "encoding", f"{source.encoding!r} is no known encoding of texts"
    if source.skip_rows is not None:
        yield from (("skip_rows", message) for _, message in _pattern_faults(source.skip_rows))


def _is_encoding(name: str) -> bool:
    try:
        "a".encode(name)
        known = codecs.lookup(name).name
    except (LookupError, ValueError):  # those of bytes to bytes are no lookup of a text's
        return False
    return known.replace("-", "_") not in _NO_ENCODINGS
