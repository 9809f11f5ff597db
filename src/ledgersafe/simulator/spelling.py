"""The same JSON value in more than one spelling: what a retry through another library looks like on the wire."""

import json
from decimal import Decimal
from random import Random
from typing import Any, cast

import orjson


def plainly(value: Any) -> bytes:
    """JSON as most senders write it: compact, members in order, Decimals as numbers (they have at most 15 digits)."""
    return orjson.dumps(value, default=float)


def respelled(random: Random, value: Any) -> bytes:
    """The same value in one line with other member order, white space, number spelling and string escapes."""
    return f"{_space(random)}{_spell(random, value)}{_space(random)}".encode()


def _spell(random: Random, value: Any) -> str:
    if isinstance(value, dict):
        members = list(cast("dict[str, Any]", value).items())
        random.shuffle(members)
        spelled = (f"{_text(random, name)}{_space(random)}: {_spell(random, member)}" for name, member in members)
        return "{" + f"{_space(random)}, ".join(spelled) + "}"
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return "[" + f",{_space(random)}".join(_spell(random, item) for item in items) + "]"
    if isinstance(value, str):
        return _text(random, value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _number(random, Decimal(value))
    return json.dumps(value)


def _number(random: Random, number: Decimal) -> str:
    """12.5, 12.50, 12.500 or 125e-1: one value, four spellings."""
    shortest = number.normalize()
    plain = format(shortest, "f")
    if random.random() < 0.2:
        sign, digits, exponent = shortest.as_tuple()
        return f"{'-' if sign else ''}{''.join(map(str, digits))}e{exponent}"
    if random.random() < 0.3:
        return plain
    return plain + ("" if "." in plain else ".") + "0" * random.randint(1, 2)


def _text(random: Random, text: str) -> str:
    return json.dumps(text, ensure_ascii=random.random() < 0.5)


def _space(random: Random) -> str:
    return random.choice(("", "", " ", "  ", "\t"))
