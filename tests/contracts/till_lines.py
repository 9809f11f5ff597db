"""The contract of a till's lines: a receipt's make one sale."""

from typing import Any

CONTRACT: dict[str, Any] = {
    "dataset": "till_lines",
    "kind": "events",
    "columns": {
        "Receipt": {"required": True},
        "Item": {"required": True},
        "Qty": {"type": "integer", "required": True},
        "Price": {"type": "decimal(12,2)", "required": True},
        "At": {"type": "datetime", "time_zone": "UTC", "format": "%Y-%m-%d %H:%M", "required": True},
    },
    "events": {
        "group_by": ["Receipt"],
        "event_type": "SALE",
        "fields": {
            "event_id": {"template": "till-{Receipt}"},
            "txn_id": {"column": "Receipt"},
            "store_id": {"constant": "berlin"},
            "occurred_at": {"column": "At", "take": "min"},
            "currency": {"constant": "EUR"},
            "total_amount": {"sum": "amount"},
        },
        "lines": {
            "sku": {"column": "Item"},
            "qty": {"column": "Qty"},
            "unit_price": {"column": "Price"},
            "amount": {"product": ["qty", "unit_price"]},
        },
    },
}
