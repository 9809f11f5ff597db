"""A delivery's rows become rows of its dataset's table: all of it in the transaction that ends the delivery."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ledgersafe.contracts.datasets.checking import ROW, Checked, check
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.db.database import Tx
from ledgersafe.files import curated
from ledgersafe.files import store as files
from ledgersafe.formats.rows import Batch
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
    first_delivery,
    judge_file,
)

SAME_KEY_TWICE = "21000"
"""What Postgres says of a merge in which two rows have the same key."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """`merged`: rows of the table that are new or changed. `older`: rows left out, as the table has later ones."""

    merged: int
    older: int


def ensure_table(tx: Tx, work: Work) -> None:
    """The table is there and fits, or is made. Raises RequestRefused(CURATED_CLASH)."""
    clash = files.ensure_curated(tx, work.dataset.name, *curated.table_of(work.dataset)).one()
    if clash:
        raise RequestRefused(CURATED_CLASH, f"files.curated_{work.dataset.name} does not fit this contract: {clash}.")


def load_table(tx: Tx, work: Work, tally: Tally, now: datetime, kept: list[str], *, keys_repeat: bool) -> Loaded:
    """Read, check and merge the file; bad rows are kept.

    `kept`: gets the first of the bad rows, for when the file is rejected and this transaction with it.
    `keys_repeat`: look for rows of the same key first, which is dear and seldom needed: without it, such a file makes
    the merge fail (StatementRefused, SAME_KEY_TWICE), and is loaded again with it.
    Raises UnreadableFile, Rejected: nothing is to be loaded.
    """
    curated.stage(tx, work.dataset)
    bad_keys = 0
    for batch, checked in ahead(checked_batches(work, tally)):
        curated.copy(tx, work.dataset, checked.good)
        _keep(tx, bad_row_lines(work, batch, checked), kept)
        bad_keys += _hold_keys(tx, work, batch, checked)
    if bad_keys:
        rivals = curated.take_held(tx, work.dataset).all()
        _hold(tx, work, tally, work.dataset.primary_key, rivals, "another row of the file, which is bad,", kept)
    if keys_repeat and work.dataset.primary_key:
        _hold_repeated(tx, work, tally, work.dataset.primary_key, kept)
    for column in work.dataset.columns:
        if column.shape.unique and work.dataset.primary_key != (column.name,):
            _hold_repeated(tx, work, tally, (column.name,), kept)
    judge_file(work, tally)
    of = work.ingestion
    origin = curated.Origin(of.tenant_id, first_delivery(tx, of), of.sha256, now)
    return merged(tx, work.dataset, origin, tally.rows_in - tally.rows_bad)


def merged(tx: Tx, dataset: Dataset, origin: curated.Origin, rows: int) -> Loaded:
    """Merge what is in the room. `rows`: how many there are."""
    changed = curated.merge(tx, dataset, origin).one()
    if changed == rows or not 0 < len(dataset.primary_key) < len(dataset.columns):
        return Loaded(changed, 0)
    last = files.last_loaded(tx, origin.tenant_id, dataset.name).first()
    is_late = last is not None and last > origin.ingestion_id
    return Loaded(changed, curated.count_older(tx, dataset, origin).one() if is_late else 0)


def _hold_keys(tx: Tx, work: Work, batch: Batch, checked: Checked) -> int:
    """Remember the keys of bad rows that have one; how many those are."""
    if not checked.faults.height or not work.dataset.primary_key:
        return 0
    bad = batch.frame.join(checked.good.select(ROW), on=ROW, how="anti")
    keys = tuple(work.dataset.column(name) for name in work.dataset.primary_key)
    found = check(replace(work.dataset, columns=keys), bad).good
    curated.hold_keys(tx, work.dataset, found)
    return found.height


def _hold_repeated(tx: Tx, work: Work, tally: Tally, names: tuple[str, ...], kept: list[str]) -> None:
    rows = curated.take_repeated(tx, work.dataset, names).all()
    _hold(tx, work, tally, names, rows, "another row of the file", kept)


def _hold(
    tx: Tx, work: Work, tally: Tally, names: tuple[str, ...], rows: Iterable[curated.Repeated], other: str,
    kept: list[str],
) -> None:  # fmt: skip
    """None of the rows that share what must differ is loaded: which of them is right, a person has to say."""
    told = ", ".join(names)
    message = f"{other} has the same {told}"
    lines: list[str] = []
    for row in rows:
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
