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
    renamed = _renamed(given, _FIELDS)
    del renamed["items"]
    return renamed | {
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
    return _renamed(cast("dict[str, Any]", item), _LINE_FIELDS)


def _renamed(given: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """With our names. Where a field is told under both names, and differently, nobody can know which is right."""
    renamed = {name: value for name, value in given.items() if name not in names}
    for name, field in names.items():
        if name in given:
            if field in renamed and renamed[field] != given[name]:
                raise RequestRefused(SCOUT_SHAPE, f"{name} and {field} tell different things.")
            renamed[field] = given[name]
    return renamed
