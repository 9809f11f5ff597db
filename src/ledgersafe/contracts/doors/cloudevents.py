"""CloudEvents 1.0 (structured and binary content mode; a batch is an array of structured ones).

id → event_id, source → source_system, type → event_type, time → occurred_at, subject → txn_id, and the extensions
tenantid → tenant_id, storeid → store_id, schemaversion → schema_version. Other extensions keep their name. The data
must be a JSON object: it is the event's body, and may carry the optional fields of the envelope.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ledgersafe.contracts.doors.native import as_object
from ledgersafe.kernel.canonical import Document, read_json
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import UNSUPPORTED_CLOUDEVENT

_ATTRIBUTES = {
    "id": "event_id",
    "source": "source_system",
    "type": "event_type",
    "time": "occurred_at",
    "subject": "txn_id",
    "tenantid": "tenant_id",
    "storeid": "store_id",
    "schemaversion": "schema_version",
    "currency": "currency",
}
_OF_THE_MESSAGE = frozenset({"specversion", "datacontenttype", "dataschema", "data", "data_base64"})


def map_structured(document: Document) -> dict[str, Any]:
    """The event of a structured CloudEvent. Raises RequestRefused."""
    message = as_object(document.value, "a CloudEvent")
    _check_version(message.get("specversion"))
    if "data" in message and "data_base64" in message:
        raise RequestRefused(UNSUPPORTED_CLOUDEVENT, "A CloudEvent has data or data_base64, not both.")
    data = _decoded(message["data_base64"]) if "data_base64" in message else message.get("data", {})
    attributes = {name: value for name, value in message.items() if name not in _OF_THE_MESSAGE}
    return _merge(attributes, as_object(data, "a CloudEvent's data"))


def map_binary(document: Document, headers: Mapping[str, str]) -> dict[str, Any]:
    """The event of a binary CloudEvent: attributes in ce-* headers (percent-encoded), data in the body."""
    attributes: dict[str, Any] = {
        name.lower().removeprefix("ce-"): unquote(value) for name, value in headers.items() if name[:3].lower() == "ce-"
    }
    _check_version(attributes.pop("specversion", None))
    attributes.pop("dataschema", None)
    return _merge(attributes, as_object(document.value, "a CloudEvent's data"))


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse ce-* headers of bytes that are no UTF-8: replaced by one sign, two ids would become one.

    Where they arrive, and not where they are mapped: what is stored is read as it was read then.
    """
    for name, value in headers.items():
        try:
            unquote(value, errors="strict")
        except UnicodeDecodeError:
            message = f"The header {name!r:.100} is {value!r:.100}: what its percent signs stand for is not UTF-8."
            raise RequestRefused(UNSUPPORTED_CLOUDEVENT, message) from None


def _merge(attributes: Mapping[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """One object. Where a field is told twice, and differently, nobody can know which is right."""
    told = dict(data)
    for name, value in attributes.items():
        field = _ATTRIBUTES.get(name, name)
        if field in told and told[field] != value:
            message = f"The attribute {name!r:.100} is {value!r:.100}, but {field!r:.100} is {told[field]!r:.100}, too."
            raise RequestRefused(UNSUPPORTED_CLOUDEVENT, message)
        told[field] = value
    return {"schema_version": "1.0"} | told


def _check_version(version: Any) -> None:
    if version != "1.0":
        raise RequestRefused(UNSUPPORTED_CLOUDEVENT, f"specversion is {version!r:.100}; this door reads '1.0'.")


def _decoded(data: Any) -> Any:
    try:
        return read_json(base64.b64decode(data, validate=True)).value
    except (binascii.Error, TypeError, ValueError):
        raise RequestRefused(UNSUPPORTED_CLOUDEVENT, "data_base64 is not base64.") from None
