"""Which of an event's fields make up its identity: the fingerprint that tells a retry from a conflict."""

from collections.abc import Sequence
from copy import deepcopy
from hashlib import sha256
from typing import Any, cast

from ledgersafe.kernel.canonical import Document, canonicalise

TRACING_FIELDS = ("traceparent", "tracestate", "baggage")
"""W3C Trace Context and Baggage as CloudEvents extensions: they name the delivery, not the event."""
_TRACING = frozenset(TRACING_FIELDS)


def fingerprint(event: dict[str, Any], document: Document, volatile_fields: Sequence[str] = ()) -> bytes:
    """SHA-256 (32 bytes) of the canonical form of a mapped event, less tracing and volatile fields (JSON Pointers).

    An event with a number that no double holds is fingerprinted by its exact bytes.
    """
    left_out = [*volatile_fields]
    if not _TRACING.isdisjoint(event):
        left_out += [f"/{name}" for name in TRACING_FIELDS if name in event]
    if document.canonical is None or (event is document.value and not left_out):
        return document.fingerprint()
    if left_out:
        event = deepcopy(event)
        for pointer in left_out:
            _remove(event, pointer)
    canonical = canonicalise(event)
    return sha256(document.body if canonical is None else canonical).digest()


def _remove(event: dict[str, Any], pointer: str) -> None:
    """Remove what a JSON Pointer (RFC 6901) points to, where it is there."""
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/"))
    holder: Any = event
    for name in parents:
        holder = cast("dict[str, Any]", holder).get(name) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        cast("dict[str, Any]", holder).pop(last, None)
