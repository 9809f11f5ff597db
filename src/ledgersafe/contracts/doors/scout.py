"""The Scout shape of POST /functions/v1/ingest-transaction: always a SALE of the key's tenant."""

from typing import Any, cast

from ledgersafe.contracts.doors.native import as_object
from ledgersafe.kernel.canonical import Document
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import SCOUT_SHAPE

_FIELDS = {"transaction_id": "event_id", "ts": "occurred_at"}
_LINE_FIELDS = {"product_id": "sku", "product_name": "name", "line_amount": "amount"}


def map_scout(document: Document, tenant_id: str) -> dict[str, Any]:
    """The SALE. Raises RequestRefused(SCOUT_SHAPE) where transaction_id or items are missing."""
    given = as_object(document.value, "a transaction")
    if "transaction_id" not in given:
        raise RequestRefused(SCOUT_SHAPE, "transaction_id is required.")
    items = given.get("items")
    if not isinstance(items, list):
        raise RequestRefused(SCOUT_SHAPE, "items must be a list of {product_id, product_name, qty, unit_price, …}.")
    event = {_FIELDS.get(name, name): value for name, value in given.items() if name != "items"}
    return event | {
        "schema_version": "1.0",
        "tenant_id": tenant_id,
        "source_system": "scout",
        "event_type": "SALE",
        "txn_id": given["transaction_id"],
        "line_items": [_line(item) for item in cast("list[Any]", items)],
    }


def _line(item: Any) -> Any:
    if not isinstance(item, dict):
        return item  # the contract says what is wrong with it
    return {_LINE_FIELDS.get(name, name): value for name, value in cast("dict[str, Any]", item).items()}
