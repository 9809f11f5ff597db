"""Small books for the pages about them: sales of known sums, on known days."""

from typing import Any

from playwright.sync_api import Dialog

from tests.console.desk import Desk
from tests.events import sale

HOSTILE = (
    "<script>document.title='gone'</script> **b** ](http://evil.example) :red[x] $x$ `c` <img src=x onerror=alert(1)>"
)


def cash_sale(desk: Desk, event_id: str, day: str = "2026-02-25", **changes: Any) -> dict[str, Any]:
    """A sale of 42.50 and 3.40 tax on top, paid in cash at noon."""
    known = {"occurred_at": f"{day}T12:00:00Z", "payment_method": "cash"}
    sums = {"tax_amount": "3.40", "total_amount": "45.90"}
    return sale(desk.tenant, event_id, txn_id=f"t-{event_id}", **known, **sums) | changes


def bare(desk: Desk, kind: str, event_id: str, of: str, day: str = "2026-02-25") -> dict[str, Any]:
    """A VOID or CANCEL of another event's transaction."""
    nothing = {"line_items": None, "total_amount": None, "tax_amount": None, "payment_method": None}
    event = cash_sale(desk, event_id, day, event_type=kind, original_txn_id=f"t-{of}") | nothing
    return {name: value for name, value in event.items() if value is not None}


def given_back(desk: Desk, event_id: str, of: str, day: str = "2026-02-25") -> dict[str, Any]:
    """A RETURN of the first line, of 30.00, without tax."""
    line = {"sku": "SKU-AAA", "qty": 1, "amount": 30.0}
    changes = {"event_type": "RETURN", "original_txn_id": f"t-{of}", "total_amount": "30.00", "line_items": [line]}
    event = cash_sale(desk, event_id, day) | changes | {"tax_amount": None}
    return {name: value for name, value in event.items() if value is not None}


def send_posted(desk: Desk, *events: dict[str, Any]) -> None:
    """Send events, and wait until the worker has posted the last and gold has it."""
    answers = desk.send(*events)
    assert {answer["result"] for answer in answers} == {"processed"}, answers
    event_id = events[-1]["event_id"]
    desk.posted(event_id)
    desk.wait_until(lambda: _is_in_gold(desk, event_id), f"{event_id} did not reach gold")


def _is_in_gold(desk: Desk, event_id: str) -> bool:
    found = desk.ask(f"/v1/events/{event_id}")["gold"]
    states = {row["state"] for row in found if row["table"] in ("daily_store_sales", "payment_mix", "return_rates")}
    return not found or states <= {"applied"}


def spoken(desk: Desk) -> list[str]:
    """What scripts of others make the browser say from now on: nothing, where text stays text."""
    said: list[str] = []

    def listen(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    desk.hear("dialog", listen)
    return said
