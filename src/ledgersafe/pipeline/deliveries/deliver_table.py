"""A delivery's rows become rows of its dataset's table: all of it in the transaction that ends the delivery."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ledgersafe.contracts.datasets.checking import ROW, Checked, check
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.db.database import Tx
from ledgersafe.files import curated
from ledgersafe.files import store as files
from ledgersafe.formats.rows import Batch
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import CURATED_CLASH, OTHER_SHEET, TOO_MANY_BAD_ROWS
from ledgersafe.pipeline.deliveries.ahead import ahead
from ledgersafe.pipeline.deliveries.delivery import (
    KEPT_OF_REJECTED,
    Rejected,
    Tally,
    Work,
    bad_row_line,
    bad_row_lines,
    checked_batches,
    first_delivery,
    judge_file,
    rows_again,
)

SAME_KEY_TWICE = "21000"
"""What Postgres says of a merge in which two rows have the same key."""
MOST_SHARING = 250_000
"""How many rows of a file may share what must differ: where more do, that is no key, and nobody decides on each."""
_LINES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a file's good rows: new in the table, in place of what a row said there, as the table has it
    already (`unchanged`), or left out, as the table has what a later file says (`older`).
    """

    inserted: int
    replaced: int
    unchanged: int
    older: int


@dataclass(frozen=True, slots=True)
class _Sharing:
    """Good rows that share what must differ: how many, the numbers of the first of them, and with what row."""

    names: tuple[str, ...]
    count: int
    numbers: Sequence[int]
    other: str = "another row of the file"

    @property
    def told(self) -> str:
        return ", ".join(self.names)


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
    sharing = _taken(tx, work.dataset, bad_keys=bad_keys > 0, keys_repeat=keys_repeat)
    for one in sharing:
        tally.rows_bad += one.count
        tally.count_faults(one.told, "unique", one.count)
    try:
        judge_file(work, tally)
        _judge_sharing(sharing, tally)
    except Rejected:
        _hold(tx, work, tally, sharing, kept, KEPT_OF_REJECTED - len(kept))
        raise
    _hold(tx, work, tally, sharing, kept, MOST_SHARING)
    of = work.ingestion
    origin = curated.Origin(of.tenant_id, first_delivery(tx, of), of.sha256, now)
    loaded = merged(tx, work.dataset, origin, tally.rows_in - tally.rows_bad)
    _refuse_other_sheet(tx, work)
    return loaded


def _refuse_other_sheet(tx: Tx, work: Work) -> None:
    """Without a key, a row of one sheet would replace that of the same number of another. Raises Rejected.

    Asked once the rows are merged: whoever loads the other sheet at the same time has ended by then.
    """
    sheet = work.opened.facts.get("sheet")
    if work.dataset.primary_key or sheet is None or work.ingestion.replay_of is None:
        return
    if (other := files.other_sheet(tx, work.ingestion, sheet).first()) is not None:
        told = f"Sheet {other!r} of this file is loaded, and without a primary_key its rows would be replaced by"
        message = f"{told} those of {sheet!r} that have the same numbers. Send {sheet!r} as a file of its own."
        raise Rejected(OTHER_SHEET, message)


def merged(tx: Tx, dataset: Dataset, origin: curated.Origin, rows: int, *, whole: bool = True) -> Loaded:
    """Merge what is in the room. `rows`: how many there are; `whole`: they are all that the file has for the table."""
    done = curated.merge(tx, dataset, origin, whole=whole).one()
    left_out = rows - done.inserted - done.replaced - done.confirmed
    may_differ = 0 < len(dataset.primary_key) < len(dataset.columns)
    older = curated.count_older(tx, dataset, origin).one() if left_out and may_differ else 0
    return Loaded(done.inserted, done.replaced, done.confirmed + left_out - older, older)


def _hold_keys(tx: Tx, work: Work, batch: Batch, checked: Checked) -> int:
    """Remember the keys of bad rows that have one; how many those are."""
    if not checked.faults.height or not work.dataset.primary_key:
        return 0
    bad = batch.frame.join(checked.good.select(ROW), on=ROW, how="anti")
    keys = tuple(work.dataset.column(name) for name in work.dataset.primary_key)
    found = check(replace(work.dataset, columns=keys), bad).good
    curated.hold_keys(tx, work.dataset, found)
    return found.height


def _taken(tx: Tx, dataset: Dataset, *, bad_keys: bool, keys_repeat: bool) -> list[_Sharing]:
    """Take rows out of the room that share what must differ: which of them is right, a person has to say."""
    found: list[_Sharing] = []
    if bad_keys:
        rivals = curated.take_held(tx, dataset, MOST_SHARING).one()
        found.append(
            _Sharing(dataset.primary_key, rivals.count, rivals.numbers, "another row of the file, which is bad,")
        )
    unique = [(one.name,) for one in dataset.columns if one.shape.unique and dataset.primary_key != (one.name,)]
    by_key = keys_repeat or unique  # whoever is held for another column's value holds those of its key, too
    for names in [*([dataset.primary_key] if by_key and dataset.primary_key else []), *unique]:
        repeated = curated.take_repeated(tx, dataset, names, MOST_SHARING).one()
        found.append(_Sharing(names, repeated.count, repeated.numbers))
    return [one for one in found if one.count]


def _judge_sharing(sharing: Sequence[_Sharing], tally: Tally) -> None:
    """Whether so few share what must differ that a person can decide on them. Raises Rejected."""
    if sum(one.count for one in sharing) <= MOST_SHARING:
        return
    most = max(sharing, key=lambda one: one.count)
    told = f"{most.count:,} of {tally.rows_in:,} rows have the same {most.told} as another row of the file"
    raise Rejected(TOO_MANY_BAD_ROWS, f"{told}, {MOST_SHARING:,} at most may: does {most.told} tell its rows apart?")


def _hold(tx: Tx, work: Work, tally: Tally, sharing: Sequence[_Sharing], kept: list[str], most: int) -> None:
    """Keep the first `most` of them, which are counted already, as the file has them: it is read once more."""
    why = {number: one for one in sharing for number in one.numbers}
    lines: list[str] = []
    for row in rows_again(work, frozenset(sorted(why)[: max(most, 0)])) if why else ():
        number = row.pop(ROW)
        one = why[number]
        value = " | ".join(row.get(name) or "" for name in one.names)
        message = f"{one.other} has the same {one.told}"
        fault = {"column": one.told, "rule": "unique", "value": value, "message": message}
        tally.add_sample(one.told, "unique", number, value, message)
        lines.append(bad_row_line(work, number, row, [fault], None))
        if len(lines) == _LINES_AT_ONCE:
            _keep(tx, lines, kept)
            lines = []
    _keep(tx, lines, kept)


def _keep(tx: Tx, lines: list[str], kept: list[str]) -> None:
    if lines:
        files.copy_bad_rows(tx, lines)
        kept += lines[: max(KEPT_OF_REJECTED - len(kept), 0)]
