"""What the members of a contract are made of, wherever they stand: what JSON holds, and a database takes. Pure."""

from collections.abc import Iterator
from math import isfinite
from typing import Any, cast

from ledgersafe.contracts.explain import escaped

_DEEPEST = 50
_WHOLE = range(-(2**63), 2**63)


def plainly(value: Any) -> Any:
    """The same with numbers of Python's own kinds, of which `read_json` has others."""
    if isinstance(value, dict):
        return {name: plainly(one) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [plainly(one) for one in cast("list[Any]", value)]
    return float(value) if isinstance(value, float) else value


def unstorable(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(JSON Pointer, what is wrong) of everything that cannot be kept as it is."""
    if isinstance(value, dict | list) and depth == _DEEPEST:
        yield path, f"is nested deeper than {_DEEPEST} levels"
    elif isinstance(value, dict):
        for name, member in cast("dict[Any, Any]", value).items():
            where = f"{path}/{escaped(_readable(str(name)))}"
            yield from ((where, f"as a name: {message}") for message in _of_text(str(name)))
            yield from unstorable(member, where, depth + 1)
    elif isinstance(value, list):
        for at, one in enumerate(cast("list[Any]", value)):
            yield from unstorable(one, f"{path}/{at}", depth + 1)
    else:
        yield from ((path, message) for message in _of_one(value))


def _of_one(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from _of_text(value)
    elif isinstance(value, int):
        if value not in _WHOLE:
            yield "is a whole number of more than 64 bits: write it in quotation marks"
    elif isinstance(value, float):
        if not isfinite(value):
            yield "is no number: leave it out"
    elif value is not None:
        kind = getattr(value, "text", type(value).__name__)
        yield f"is {str(kind)[:60]}, which no double holds exactly, or is no JSON: write it in quotation marks"


def _of_text(text: str) -> Iterator[str]:
    if "\x00" in text:
        yield "holds a NUL character, which the database has no place for: leave it out"
    if _readable(text) != text:
        yield "holds half of a surrogate pair, which is no character: leave it out"


def _readable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
