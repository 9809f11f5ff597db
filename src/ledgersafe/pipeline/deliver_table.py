"""A delivery's rows become rows of its dataset's table: all of it in the transaction that ends the delivery."""

from datetime import datetime

from ledgersafe.db.database import Tx
from ledgersafe.files import curated
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import CURATED_CLASH
from ledgersafe.pipeline.ahead import ahead
from ledgersafe.pipeline.delivery import (
    KEPT_OF_REJECTED,
    Tally,
    Work,
    bad_row_line,
    bad_row_lines,
    checked_batches,
    judge_file,
)

SAME_KEY_TWICE = "21000"
"""What Postgres says of a merge in which two rows have the same key."""


def ensure_table(tx: Tx, work: Work) -> None:
    """The table is there and fits, or is made. Raises RequestRefused(CURATED_CLASH)."""
    clash = files.ensure_curated(tx, work.dataset.name, *curated.table_of(work.dataset)).one()
    if clash:
        raise RequestRefused(CURATED_CLASH, f"files.curated_{work.dataset.name} does not fit this contract: {clash}.")


def load_table(tx: Tx, work: Work, tally: Tally, now: datetime, kept: list[str], *, keys_repeat: bool) -> int:
    """Read, check and merge the file; bad rows are kept. Returns how many rows of the table are new or changed.

    `kept`: gets the first of the bad rows, for when the file is rejected and this transaction with it.
    `keys_repeat`: look for rows of the same key first, which is dear and seldom needed: without it, such a file makes
    the merge fail (StatementRefused, SAME_KEY_TWICE), and is loaded again with it.
    Raises UnreadableFile, Rejected: nothing is to be loaded.
    """
    curated.stage(tx, work.dataset)
    for batch, checked in ahead(checked_batches(work, tally)):
        curated.copy(tx, work.dataset, checked.good)
        _keep(tx, bad_row_lines(work, batch, checked), kept)
    if keys_repeat and work.dataset.primary_key:
        _hold_repeated(tx, work, tally, work.dataset.primary_key, kept)
    for column in work.dataset.columns:
        if column.shape.unique and work.dataset.primary_key != (column.name,):
            _hold_repeated(tx, work, tally, (column.name,), kept)
    judge_file(work, tally)
    name = work.lease.name
    origin = curated.Origin(name.tenant_id, name.ingestion_id, work.ingestion.sha256, now)
    return curated.merge(tx, work.dataset, origin).one()


def _hold_repeated(tx: Tx, work: Work, tally: Tally, names: tuple[str, ...], kept: list[str]) -> None:
    """None of the rows that share what must differ is loaded: which of them is right, a person has to say."""
    told = ", ".join(names)
    message = f"another row of the file has the same {told}"
    lines: list[str] = []
    for row in curated.take_repeated(tx, work.dataset, names).all():
        value = " | ".join(str(row.row_values[name]) for name in names)
        fault = {"column": told, "rule": "unique", "value": value, "message": message}
        tally.rows_bad += 1
        tally.add_fault(row.row_number, told, "unique", value, message)
        lines.append(bad_row_line(work, row.row_number, row.row_values, [fault], None))
    _keep(tx, lines, kept)


def _keep(tx: Tx, lines: list[str], kept: list[str]) -> None:
    if lines:
        files.copy_bad_rows(tx, lines)
        kept += lines[: max(KEPT_OF_REJECTED - len(kept), 0)]
