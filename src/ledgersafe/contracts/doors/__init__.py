"""How the shape that each door takes is mapped onto the one envelope; one file per shape.

A mapping is pure and repeatable: from the stored bytes (and CloudEvents headers) of an arrival the same event is read
again when it is posted or shown.
"""

from collections.abc import Mapping
from typing import Any

from ledgersafe.contracts.doors import cloudevents, native, scout
from ledgersafe.kernel.canonical import Document

NATIVE = "native"
CLOUDEVENTS_STRUCTURED = "cloudevents-structured"
CLOUDEVENTS_BINARY = "cloudevents-binary"
SCOUT = "scout"
FILE = "file"
"""Events that were made of a file's rows, in the native shape."""


def map_event(door: str, document: Document, headers: Mapping[str, str], tenant_id: str) -> dict[str, Any]:
    """The event of one arrival: envelope and body in one object, as senders of the native door write it.

    `headers`: the ce-* headers of a binary CloudEvent. `tenant_id`: of the credential, for doors whose shape has none.
    Raises RequestRefused where the shape cannot be mapped.
    """
    if door in (NATIVE, FILE):
        return native.map_native(document)
    if door == CLOUDEVENTS_STRUCTURED:
        return cloudevents.map_structured(document)
    if door == CLOUDEVENTS_BINARY:
        return cloudevents.map_binary(document, headers)
    if door == SCOUT:
        return scout.map_scout(document, tenant_id)
    raise ValueError(f"there is no door named {door}")
