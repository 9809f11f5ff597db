"""Files for the console's tests: contracts put in force and files delivered through the API, as senders do."""

from typing import Any

from playwright.sync_api import FilePayload, expect

from tests.console.desk import Desk

STOCK: dict[str, Any] = {
    "dataset": "stock",
    "description": "What the *shops* have",
    "primary_key": ["SKU"],
    "columns": {
        "SKU": {"required": True},
        "Name": {},
        "On hand": {"type": "integer", "required": True, "min": 0},
    },
}
TILL: dict[str, Any] = {
    "dataset": "till",
    "kind": "events",
    "columns": {
        "Receipt": {"required": True},
        "When": {"type": "datetime", "format": "%Y-%m-%d %H:%M:%S", "required": True},
        "Item": {},
        "Amount": {"type": "decimal(18,2)", "required": True},
    },
    "events": {
        "group_by": ["Receipt"],
        "event_type": [{"type": "SALE"}],
        "fields": {
            "event_id": {"template": "till-{Receipt}"},
            "txn_id": {"column": "Receipt"},
            "store_id": {"constant": "s1"},
            "occurred_at": {"column": "When", "take": "min"},
            "currency": {"constant": "EUR"},
            "total_amount": {"sum": "amount"},
        },
        "lines": {"sku": {"column": "Item"}, "qty": {"constant": "1"}, "amount": {"column": "Amount"}},
    },
}
GOOD = b"SKU,Name,On hand\n00012,Mug,120\n00013,Teapot,35\n"
DRIFTED = b"SKU,On hand,Aisle\n00012,118,A1\n00013,thirty,A2\n00015,-4,A2\n"


def put(desk: Desk, contract: dict[str, Any]) -> None:
    """Put a contract in force."""
    with desk.client() as client:
        where = f"/v1/datasets/{contract['dataset']}/contract"
        answer = client.put(where, params={"tenant_id": desk.tenant}, json=contract)
    assert answer.status_code == 200, answer.text


def deliver(desk: Desk, filename: str, content: bytes, dataset: str = "stock") -> str:
    """Send a file and wait until it was worked through; its id."""
    sent = send(desk, filename, content, dataset)
    desk.wait_until(lambda: ended(desk, sent), f"{filename} was not worked through")
    return sent


def send(desk: Desk, filename: str, content: bytes, dataset: str = "stock") -> str:
    """Send a file; its id."""
    asked = {"tenant_id": desk.tenant, "dataset": dataset, "filename": filename}
    with desk.client() as client:
        answer = client.post("/v1/ingestions", params=asked, content=content)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["ingestion"]["ingestion_id"])


def ended(desk: Desk, ingestion_id: str) -> bool:
    """Whether a delivery has ended."""
    return desk.ask(f"/v1/ingestions/{ingestion_id}")["status"] not in ("received", "processing")


def upload(desk: Desk, filename: str, content: bytes) -> None:
    """Choose a file on the page and send it; it ends when its line says what became of it."""
    chosen: FilePayload = {"name": filename, "mimeType": "application/octet-stream", "buffer": content}
    with desk.running():
        desk.page.locator('input[type="file"]').set_input_files(chosen)
    desk.press("Send")


def sample(desk: Desk, dataset: str = "stock") -> dict[str, Any]:
    """The rows of a dataset's table, by SKU."""
    return {row["sku"]: row for row in desk.ask(f"/v1/datasets/{dataset}/curated/sample")["rows"]}


def decide(desk: Desk, opens: str, why: str, confirms: str) -> None:
    """Press a button that opens a dialog, say why, confirm, and wait until the page stands again."""
    desk.press(opens)
    confirm(desk, why, confirms)


def confirm(desk: Desk, why: str, confirms: str) -> None:
    """Say why in the dialog that is open, confirm, and wait until the page stands again."""
    dialog = desk.page.get_by_role("dialog")
    desk.fill("Why", why)
    desk.press(confirms, within=dialog)
    expect(dialog).not_to_be_visible(timeout=15_000)
    desk.settle()
