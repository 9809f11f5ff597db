"""Events for tests, small and valid, to be changed where a test wants them otherwise."""

import itertools
from typing import Any

_numbers = itertools.count(1)


def sale(tenant: str, event_id: str | None = None, **changes: Any) -> dict[str, Any]:
    """A valid SALE of 42.50; `changes` replace or add members, None removes one."""
    number = next(_numbers)
    event = {
        "schema_version": "1.0",
        "tenant_id": tenant,
        "store_id": "store_001",
        "source_system": "pos_sim",
        "event_id": event_id or f"evt-{number}",
        "event_type": "SALE",
        "occurred_at": "2026-02-25T00:00:00Z",
        "txn_id": f"txn-{number}" if event_id is None else f"txn-{event_id}",
        "currency": "USD",
        "total_amount": 42.5,
        "line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": 30.0}, {"sku": "SKU-BBB", "qty": 1, "amount": 12.5}],
    } | changes
    return {name: value for name, value in event.items() if value is not None}
