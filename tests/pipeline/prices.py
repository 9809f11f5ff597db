"""A price list's contract and files, and what became of their rows."""

from datetime import UTC, datetime
from typing import Any

from ledgersafe.files import store as files
from ledgersafe.pipeline import land
from ledgersafe.pipeline.keys import OWNER
from ledgersafe.pipeline.resolve import Operator
from tests.pipeline.delivering import Desk

PRICES = {
    "dataset": "prices",
    "primary_key": ["sku"],
    "columns": {
        "sku": {"type": "string", "required": True},
        "price": {"type": "decimal(10,2)", "required": True, "min": 0},
        "from": {"type": "date", "format": "%d/%m/%Y"},
        "note": {},
    },
}


BY = Operator(OWNER, datetime.now(UTC), 600)


def with_(**members: Any) -> dict[str, Any]:
    return PRICES | members


def csv(*rows: str, header: str = "sku,price,from,note") -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def again(desk: Desk, of: files.Ingestion) -> files.Ingestion:
    """A replay of it, worked off."""
    made = land.replay(desk.db, of.tenant_id, of.ingestion_id, "again", BY)
    return desk.work_off(files.IngestionName(desk.tenant, made.ingestion_id))


def counts(done: files.Ingestion) -> dict[str, int]:
    """What became of its good rows."""
    assert done.quality is not None
    return {name: done.quality[name] for name in ("inserted", "replaced", "unchanged", "older")}


def rules(bad: list[files.BadRow]) -> dict[int, list[tuple[str | None, str]]]:
    return {row.row_number: [(fault["column"], fault["rule"]) for fault in row.faults] for row in bad}
