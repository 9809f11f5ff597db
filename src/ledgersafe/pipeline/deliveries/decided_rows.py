"""decided_rows: what people decided of a file's rows is not undone when the file is replayed.

What a person put right stays in the table, and what was ignored stays out of it, also where the contract in force takes
the row as the file has it: it is held as a bad row of the replay, so that whoever means otherwise can say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from ledgersafe.contracts.datasets.checking import FAULT_COLUMNS, ROW, Checked
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.db.database import Tx
from ledgersafe.files import store as files

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Decisions:
    """By row number, what a person decided. `column`: with which its fault stands."""

    why: Mapping[int, str]
    column: str

    def hold(self, checked: Checked) -> Checked:
        """The good rows on which a person decided are good no more; what is bad is held already."""
        decided = [number for number in checked.good[ROW].to_list() if number in self.why]
        if not decided:
            return checked
        found = [(number, self.column, "decided", None, self.why[number]) for number in decided]
        faults = pl.concat([checked.faults, pl.DataFrame(found, schema=FAULT_COLUMNS, orient="row")])
        good = checked.good.filter(~pl.col(ROW).is_in(decided))
        return replace(checked, good=good, faults=faults.sort(ROW, maintain_order=True))


def decisions_of(tx: Tx, of: files.Ingestion, sheet: str | None, dataset: Dataset) -> Decisions | None:
    """What was decided of the rows of this file, and of this sheet (None: it has none), in whichever of its deliveries.

    None: nothing that changes a row.
    """
    rows = files.decided_rows(tx, of, sheet).all()
    why = {row.row_number: _why(row) for row in rows if row.status == "ignored" or row.patch}
    return Decisions(why, _telling_no_group(dataset)) if why else None


def _why(row: files.DecidedRow) -> str:
    if row.status == "ignored":
        return f"{row.decided_by} ignored it on {row.decided_at:%Y-%m-%d}: replay it if it is to be loaded now"
    put = ", ".join(f"{name}: {text!r}"[:_SHOWN] for name, text in list((row.patch or {}).items())[:5])
    told = f"{row.decided_by} put it right on {row.decided_at:%Y-%m-%d} ({put}), and that stays"
    return f"{told}: replay it with what is right now, or ignore it"


def _telling_no_group(dataset: Dataset) -> str:
    """A column that does not tell which group a row is of: a fault there leaves that certain."""
    groups = dataset.shape.events.group_by if dataset.shape.events is not None else []
    return next((column.name for column in dataset.columns if column.name not in groups), dataset.columns[0].name)
