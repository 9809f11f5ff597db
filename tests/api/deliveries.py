"""A delivery for tests of the API: worked off, with bad rows that wait for a person."""

from datetime import UTC, datetime
from uuid import UUID

import orjson

from ledgersafe.db.copying import NULL
from ledgersafe.files import store as files
from ledgersafe.kernel.ids import new_id
from tests.conftest import TestDatabase

STOCK = {
    "dataset": "stock_levels",
    "primary_key": ["Item"],
    "columns": {"Item": {}, "Left": {"type": "integer", "required": True}},
}
BAD_ROWS = {2: "x", 3: "y", 4: "z"}
"""Row → what stands where the number of items that are left should."""


def delivery_with_bad_rows(of: TestDatabase, tenant: str, mark: str = "item") -> str:
    """The id of a delivery of `STOCK` whose rows are all bad. `mark`: part of what its rows say."""
    now, ingestion_id = datetime.now(UTC), new_id()
    database = of.open(size=2)
    try:
        with database.transaction() as tx:
            files.insert_contract(tx, tenant, "stock_levels", 1, orjson.dumps(STOCK).decode(), now, "test", None)
            new = files.NewIngestion(
                tenant, ingestion_id, "stock_levels", "s.csv", None, new_id().encode()[:32], 1, "r"
            )
            files.insert_ingestion(tx, new, now, "test").one()
            lease = files.Lease(files.IngestionName(tenant, UUID(ingestion_id)), new_id())
            files.claim(tx, lease, now, now, now).one()
            files.begin_work(tx, lease, 1).one()
            files.copy_bad_rows(
                tx, [_line(tenant, ingestion_id, number, left, mark) for number, left in BAD_ROWS.items()]
            )
            ending = files.Ending("succeeded", rows_in=len(BAD_ROWS), rows_bad=len(BAD_ROWS))
            files.finish(tx, lease, ending, now).one()
    finally:
        database.close()
    return ingestion_id


def _line(tenant: str, ingestion_id: str, number: int, left: str, mark: str) -> str:
    values = orjson.dumps({"Item": f"{mark}-{number}", "Left": left}).decode()
    faults = orjson.dumps([{"column": "Left", "rule": "type", "value": left, "message": "is no integer"}]).decode()
    return "\t".join((tenant, ingestion_id, str(number), NULL, values, NULL, faults, "1")) + "\n"
