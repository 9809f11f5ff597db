"""bad_rows: the rows of a delivery that were not loaded, and how they are left out for good. How they are put right and
loaded is in replay_rows.py, which needs the packages that read files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import stamina

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import TryAgain
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import (
    INVALID_PARAMETER,
    NOT_FOUND,
    ROWS_DECIDED,
)
from ledgersafe.pipeline.deliveries.under_way import refuse_under_way
from ledgersafe.pipeline.resolve import Operator

MOST_ROWS = 1_000
"""How many rows one decision may name."""
IN_TABLE = ("inserted", "replaced", "unchanged", "older")
"""Of `Decided`: what became of rows of a table."""


@dataclass(slots=True)
class Decided:
    """What became of rows. `rows`: all that were decided on, those of the same groups among them.

    How many of them are new in the dataset's table (`inserted`), stand there in place of what was there (`replaced`),
    say what is there already (`unchanged`), or were passed over, as the table has what a later file says (`older`).
    `outcomes`: of the events that they made. `changed`: False where it was decided before.
    """

    status: files.RowStatus
    rows: list[int]
    inserted: int = 0
    replaced: int = 0
    unchanged: int = 0
    older: int = 0
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    changed: bool = True


def page(
    database: Database,
    name: files.IngestionName,
    status: files.RowStatus | None,
    after: int,
    most: int,
    *,
    at_fault: bool | None = None,
) -> list[files.BadRow]:
    """One page of a delivery's bad rows, in the order of the file. `at_fault`: those that are themselves, or those that
    a bad row of their group holds. Raises RequestRefused(NOT_FOUND).
    """
    with database.snapshot() as tx:
        delivery_of(tx, name)
        return files.bad_rows(tx, name, status, after, most, at_fault=at_fault).all()


def open_of_groups(database: Database, name: files.IngestionName, rows: Sequence[files.BadRow]) -> dict[str, int]:
    """Of each group that these rows are of, how many of its rows nobody has decided on."""
    groups = sorted({row.group_key for row in rows if row.group_key is not None})
    if not groups:
        return {}
    with database.snapshot() as tx:
        return {one.group_key: one.rows_open for one in files.open_of_groups(tx, name, groups).all()}


def counted(database: Database, name: files.IngestionName) -> files.BadRowCounts:
    """How a delivery's bad rows stand now."""
    with database.snapshot() as tx:
        return files.count_bad_rows(tx, name).one()


@stamina.retry(on=TryAgain, attempts=5, wait_initial=0.01, wait_max=0.2, timeout=None)
def ignore(database: Database, name: files.IngestionName, rows: Sequence[int], notes: str, by: Operator) -> Decided:
    """Leave rows out for good: these alone, whatever their groups.

    Raises RequestRefused: NOT_FOUND, ROWS_DECIDED, DELIVERY_UNDER_WAY.
    """
    check_wish(rows, notes)
    with database.transaction() as tx:
        refuse_under_way(tx, delivery_of(tx, name))
        locked = locked_rows(tx, name, rows)
        wanted = {number: locked[number] for number in sorted(set(rows))}
        if all(row.status == "ignored" for row in wanted.values()):
            return Decided("ignored", list(wanted), changed=False)
        refuse_decided(list(wanted.values()))
        decision = files.Decision("ignored", by.now, by.credential.actor, notes)
        files.decide_bad_rows(tx, name, dict.fromkeys(wanted), decision)
        audit.insert(tx, [entry_of(name, by, "bad_rows.ignored", {"rows": list(wanted)}, notes)])
        return Decided("ignored", list(wanted))


def delivery_of(tx: Tx, name: files.IngestionName) -> files.Ingestion:
    found = files.ingestion(tx, name.tenant_id, name.ingestion_id).first()
    if found is None:
        raise RequestRefused(NOT_FOUND, f"There is no delivery {name.ingestion_id}.")
    return found


def locked_rows(tx: Tx, name: files.IngestionName, numbers: Sequence[int]) -> dict[int, files.BadRow]:
    """These rows and their groups, by number. Raises RequestRefused(NOT_FOUND)."""
    found = {row.row_number: row for row in files.lock_bad_rows(tx, name, numbers).all()}
    lacking = sorted(set(numbers) - found.keys())
    if lacking:
        raise RequestRefused(NOT_FOUND, f"Row {lacking[0]} of delivery {name.ingestion_id} is no bad row.")
    return found


def refuse_decided(rows: Sequence[files.BadRow]) -> None:
    decided = [row for row in rows if row.status != "open"]
    if decided:
        first = decided[0]
        message = f"Row {first.row_number} is {first.status} since {first.decided_at}, by {first.decided_by}."
        raise RequestRefused(ROWS_DECIDED, message)


def check_wish(rows: Sequence[int], notes: str) -> None:
    if not notes.strip():
        raise RequestRefused(INVALID_PARAMETER, "notes is required: say why.")
    if not 1 <= len(rows) <= MOST_ROWS:
        raise RequestRefused(INVALID_PARAMETER, f"Name 1 to {MOST_ROWS:,} rows.")


def entry_of(name: files.IngestionName, by: Operator, action: str, after: dict[str, Any], notes: str) -> audit.Entry:
    whose, which = name.tenant_id, str(name.ingestion_id)
    return audit.Entry(whose, by.now, by.credential.actor, action, "ingestion", which, after=after, notes=notes)
