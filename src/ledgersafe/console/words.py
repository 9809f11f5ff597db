"""Values as people read them. What came from outside is text here, never markup."""

import re
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
_SHORTHAND = re.compile(r":(?=(?:\d*[A-Za-z+_-][\w+/-]*|100|1234)[:\[])")
"""`:material/home:`, `:smile:`, `:red[`: Streamlit reads these after Markdown, whatever is escaped."""
_LINK = re.compile(r"(?<=\w)(?=://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
"""`http://…`, `www.…` and `a@b.c`: links are made of these after Markdown, whatever is escaped."""
_UNSEEN = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Unicode's directional controls (UAX 9) and those of C0 and C1, but for line breaks and tabs."""
_WORD_JOINER = "\u2060"
"""Seen by nobody, and in the way of both."""


def visible(text: object) -> str:
    """With what is unseen shown by its number: a text could turn round the amount that stands beside it."""
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", str(text))


def in_json(text: str) -> str:
    """JSON with what is unseen as JSON's own escapes: it says the same, and turns nothing round."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def literal(text: object) -> str:
    """Text for where Streamlit reads Markdown: shown as it is, whoever sent it."""
    plain = _SHORTHAND.sub(f":{_WORD_JOINER}", visible(str(text).replace("\n", " ")))
    return _MARKDOWN.sub(r"\\\1", _LINK.sub(_WORD_JOINER, plain))


def moment(instant: str | None) -> str:
    """An instant of the API, in UTC, to the second."""
    if not instant:
        return ""
    return datetime.fromisoformat(instant).strftime("%Y-%m-%d %H:%M:%S")


def age(instant: str | None, now: datetime) -> str:
    """How long ago, in its largest unit."""
    return "" if not instant else span(now - datetime.fromisoformat(instant))


def span(length: timedelta) -> str:
    """A length of time in its largest unit."""
    seconds = max(0, int(length.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def amount(value: str | None, currency: str | None = None) -> str:
    """Money with thousands apart, every digit as it is stored."""
    if value is None:
        return ""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    text = f"{number:,f}"
    return f"{text} {currency}" if currency else text


def count(value: int | None) -> str:
    """A number of things."""
    return "" if value is None else f"{value:,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"
