"""Parts of the API's answers that may be null."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

Members = Mapping[str, Any]
"""A JSON object."""


def members(value: object) -> Members:
    """An object; none of its members where it is null."""
    return cast("Members", value) if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[Members]:
    """A list of objects; empty where it is null."""
    return cast("Sequence[Members]", value) if isinstance(value, list) else ()
