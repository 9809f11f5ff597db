"""The native shape: envelope and body in one JSON object."""

from typing import Any, cast

from ledgersafe.kernel.canonical import Document
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import NOT_AN_EVENT


def map_native(document: Document) -> dict[str, Any]:
    """The object itself. Raises RequestRefused(NOT_AN_EVENT) for any other JSON."""
    return as_object(document.value, "an event")


def as_object(value: Any, what: str) -> dict[str, Any]:
    """The value as an object. Raises RequestRefused(NOT_AN_EVENT) where it is none."""
    if not isinstance(value, dict):
        raise RequestRefused(NOT_AN_EVENT, f"The JSON is {_told(value)}; {what} must be an object.")
    return cast("dict[str, Any]", value)


def _told(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "an array" if isinstance(value, list) else "a string" if isinstance(value, str) else "a number"
