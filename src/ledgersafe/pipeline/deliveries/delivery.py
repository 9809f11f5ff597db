"""What both kinds of delivery need: an attempt's work, the reading of its rows, and what is told of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import polars as pl

from ledgersafe.contracts.datasets.casting import Borne
from ledgersafe.contracts.datasets.checking import ROW, ROWS_AT_ONCE, Checked, check
from ledgersafe.contracts.datasets.headers import Header
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.db.copying import plain, text
from ledgersafe.db.database import Tx
from ledgersafe.files import store as files
from ledgersafe.formats.rows import Batch, BrokenRow, Opened, passed_over
from ledgersafe.kernel.reasons import QUALITY_FAILED, TOO_MANY_BAD_ROWS, Reason
from ledgersafe.pipeline.deliveries.decided_rows import Decisions
from ledgersafe.pipeline.deliveries.left_out import LeftOut
from ledgersafe.pipeline.deliveries.wishes import refuse_other_header

_SAMPLES = 5
"""How many rows stand with each rule of the quality report; every bad row is kept elsewhere."""
_SHOWN = 200
KEPT_OF_REJECTED = 10_000
"""How many bad rows of a file are kept where none of it is loaded; the file itself is kept whole."""


class LeaseLost(Exception):
    """Another attempt has the delivery: whoever sees this stops, and writes nothing."""


class Rejected(Exception):
    """Nothing of the file is loaded, until a person decides."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt at one delivery. `reopen`: read the file once more. `previous`: the dataset's last good delivery.

    `decided`: what people decided of the file's rows before. `left_out`: those of no known group that they ignored.
    """

    lease: files.Lease
    ingestion: files.Ingestion
    dataset: Dataset
    version: int
    header: Header
    opened: Opened
    reopen: Callable[[], Opened]
    previous: files.Ingestion | None = None
    decided: Decisions | None = None
    left_out: LeftOut | None = None


@dataclass(slots=True)
class _Rule:
    count: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(slots=True)
class _Range:
    nulls: int = 0
    least: str | None = None
    most: str | None = None


@dataclass(slots=True)
class Tally:
    """What is counted while a file is read; it becomes the quality report. `borne`: of amounts, by column.

    `rows_decided`: of the bad rows, those that are held since a person decided on them, and for nothing else.
    """

    rows_in: int = 0
    rows_bad: int = 0
    rows_decided: int = 0
    rules: dict[tuple[str | None, str], _Rule] = field(default_factory=dict[tuple[str | None, str], _Rule])
    ranges: dict[str, _Range] = field(default_factory=dict[str, _Range])
    borne: dict[str, Borne] = field(default_factory=dict[str, Borne])

    def add(self, dataset: Dataset, batch: Batch, checked: Checked) -> None:
        """A batch."""
        self.rows_in += checked.rows + len(batch.broken)
        self.rows_bad += checked.rows - checked.good.height + len(batch.broken)
        for row in batch.broken:
            self.add_fault(row.number, None, "readable", row.text, row.message)
        if checked.faults.height:
            counted = checked.faults.group_by("column", "rule", maintain_order=True)
            for (column, rule), found in counted:
                self._of(str(column), str(rule)).count += found.height
                for one in found.head(_SAMPLES).rows():
                    self.add_sample(str(column), str(rule), one[0], one[3], one[4])
        for column in dataset.columns:
            self._measure(column.name, column.type.is_number, checked)

    def add_fault(self, row: int, column: str | None, rule: str, value: str | None, message: str) -> None:
        """One fault; the row that has it is counted by whoever knows whether it has others."""
        self.count_faults(column, rule, 1)
        self.add_sample(column, rule, row, value, message)

    def take_back(self, faults: Sequence[tuple[int, str | None, str]]) -> None:
        """Row, column and rule of faults that were counted: their rows are bad no more."""
        rows = {row for row, _, _ in faults}
        self.rows_bad -= len(rows)
        self.rows_decided -= len({row for row, _, rule in faults if rule == "decided"})
        for _, column, rule in faults:
            if (known := self.rules.get((column, rule))) is not None:
                known.count -= 1
                known.samples = [one for one in known.samples if one["row"] not in rows]
        self.rules = {name: known for name, known in self.rules.items() if known.count}

    def count_faults(self, column: str | None, rule: str, count: int) -> None:
        """So many of a rule; some of them are shown (`add_sample`)."""
        self._of(column, rule).count += count

    def _of(self, column: str | None, rule: str) -> _Rule:
        return self.rules.setdefault((column, rule), _Rule())

    def add_sample(self, column: str | None, rule: str, row: int, value: str | None, message: str) -> None:
        """A fault to be shown, if not enough are."""
        samples = self._of(column, rule).samples
        if len(samples) < _SAMPLES:
            samples.append({"row": row, "value": None if value is None else value[:_SHOWN], "message": message})

    def _measure(self, name: str, is_number: bool, checked: Checked) -> None:
        known = self.ranges.setdefault(name, _Range())
        known.nulls += checked.nulls[name]
        values = checked.good[name].drop_nulls()
        if not len(values):
            return
        if is_number:
            sizes = values.cast(pl.Float64, strict=False)
            ends = [str(values[at]) for at in (sizes.arg_min() or 0, sizes.arg_max() or 0)]
        else:
            ends = [str(values.min()), str(values.max())]
        key = float if is_number else str
        known.least = min([*([] if known.least is None else [known.least]), ends[0]], key=key)
        known.most = max([*([] if known.most is None else [known.most]), ends[1]], key=key)

    def null_fraction(self, name: str) -> float:
        """Of the rows that could be read, how many had no value there."""
        return self.ranges[name].nulls / self.rows_in if self.rows_in and name in self.ranges else 0.0

    def told_of_currencies(self) -> list[str]:
        """Of amounts that bear a currency among more that bear none: whether they are in the same one, no one knows."""
        return [
            f"{name}: of {one.marked + one.bare:,} amounts, only {one.marked:,} with a currency "
            f"({', '.join(one.marks)}): say in the contract which it is (currency)."
            for name, one in self.borne.items()
            if 0 < one.marked < one.bare
        ]

    def report(self, broken: list[str]) -> dict[str, Any]:
        """The quality report. `broken`: what is wrong with the file as a whole."""
        return {
            "rows": self.rows_in,
            "good": self.rows_in - self.rows_bad,
            "bad": self.rows_bad,
            "broken": broken,
            "rules": [
                {"column": column, "rule": rule, "count": found.count, "samples": found.samples}
                for (column, rule), found in self.rules.items()
            ],
            "columns": {
                name: {
                    "nulls": found.nulls,
                    "null_fraction": round(self.null_fraction(name), 6),
                    "min": found.least and found.least[:_SHOWN],
                    "max": found.most and found.most[:_SHOWN],
                }
                for name, found in self.ranges.items()
            },
        }


def first_delivery(tx: Tx, of: files.Ingestion) -> UUID:
    """The delivery that brought the file: of a replay, or of a replay of one, that of the same bytes."""
    if of.replay_of is None:
        return of.ingestion_id
    return files.ingestion_of_bytes(tx, of.tenant_id, of.dataset, of.sha256).one().ingestion_id


def checked_batches(work: Work, tally: Tally) -> Iterator[tuple[Batch, Checked]]:
    """The file's rows, held against the contract; the batches' columns have the contract's names.

    Raises UnreadableFile.
    """
    for batch in work.opened.batches:
        known = batch.frame.select(ROW, *work.header.renamed).rename(work.header.renamed)
        broken = batch.broken
        for part in known.iter_slices(ROWS_AT_ONCE) if known.height else (known,):
            renamed = Batch(part, broken)
            checked = check(work.dataset, part, borne=tally.borne)
            refuse_other_header(work.dataset, work.header, work.opened.facts, part, checked)
            if work.decided is not None:
                good = checked.good.height
                checked = work.decided.hold(checked)
                tally.rows_decided += good - checked.good.height
            tally.add(work.dataset, renamed, checked)
            yield renamed, checked
            broken = ()


def rows_again(work: Work, numbers: Set[int]) -> Iterator[dict[str, Any]]:
    """These rows once more, as the file has them: ROW, and by the contract's columns. Raises UnreadableFile."""
    wanted, last = pl.Series(list(numbers), dtype=pl.Int64).implode(), max(numbers, default=0)
    for batch in work.reopen().batches:
        found = batch.frame.filter(batch.frame[ROW].is_in(wanted))
        yield from found.select(ROW, *work.header.renamed).rename(work.header.renamed).iter_rows(named=True)
        if batch.frame.height and batch.frame[ROW][-1] >= last:
            return


def broken_rules(work: Work, tally: Tally) -> list[str]:
    """What is wrong with the file as a whole, once all of it is read."""
    quality = work.dataset.shape.quality
    found = [
        f"{name}: {tally.null_fraction(name):.1%} of its values are missing, {most:.1%} at most may be"
        for name, most in quality.max_null_fraction.items()
        if tally.null_fraction(name) > most
    ]
    count = quality.row_count
    if count is not None and count.min is not None and tally.rows_in < count.min:
        found.append(f"it has {tally.rows_in:,} rows, at least {count.min:,} are expected")
    if count is not None and count.max is not None and tally.rows_in > count.max:
        found.append(f"it has {tally.rows_in:,} rows, at most {count.max:,} are expected")
    if quality.freshness is not None and work.previous is not None:
        since = work.ingestion.received_at - work.previous.received_at
        if since > timedelta(hours=quality.freshness):
            hours = since.total_seconds() / 3600
            found.append(f"it came {hours:,.1f} hours after the one before, {quality.freshness:g} at most are expected")
    return found


def judge_file(work: Work, tally: Tally) -> None:
    """Whether what is good in it may be loaded, once all of it is read. Raises Rejected."""
    dataset, bad = work.dataset, tally.rows_bad - tally.rows_decided
    if bad and dataset.shape.on_bad_rows == "reject_file":
        raise Rejected(TOO_MANY_BAD_ROWS, f"{bad:,} of {tally.rows_in:,} rows are bad, and on_bad_rows is reject_file.")
    if dataset.too_many(bad, tally.rows_in):
        raise Rejected(TOO_MANY_BAD_ROWS, f"{bad:,} of {tally.rows_in:,} rows are bad, over bad_rows_limit.")
    if broken := broken_rules(work, tally):
        raise Rejected(QUALITY_FAILED, "; ".join(broken))


def with_passed_over(detail: str | None, facts: Mapping[str, Any] | None) -> str | None:
    """What is told of a delivery, and what of its file was not read. `facts`: how it was read; None: it was not."""
    told = passed_over(facts or {})
    if not told or not detail:
        return " ".join(told) or detail
    return " ".join([detail if detail.endswith((".", "?", "!")) else f"{detail}.", *told])


def bad_row_lines(work: Work, batch: Batch, checked: Checked, groups: Mapping[int, str] | None = None) -> list[str]:
    """The bad rows of a batch as lines for `files.copy_bad_rows`. `groups`: row → the group that it belongs to."""
    of = groups or {}
    lines = [_broken_line(work, row, of.get(row.number)) for row in batch.broken]
    if not checked.faults.height:
        return lines
    faults: dict[int, list[dict[str, Any]]] = {}
    for number, column, rule, value, message in checked.faults.rows():
        faults.setdefault(number, []).append({"column": column, "rule": rule, "value": value, "message": message})
    wanted = pl.Series(list(faults), dtype=pl.Int64)
    for row in batch.frame.filter(batch.frame[ROW].is_in(wanted.implode())).to_dicts():
        number = row.pop(ROW)
        lines.append(bad_row_line(work, number, row, faults[number], of.get(number)))
    return lines


def bad_row_line(
    work: Work, number: int, values: Mapping[str, str | None], faults: list[dict[str, Any]], group: str | None
) -> str:
    """One bad row as a line for `files.copy_bad_rows`. `faults`: {column, rule, value, message}."""
    return _line(work, number, group, orjson.dumps(values).decode(), None, faults)


def _broken_line(work: Work, row: BrokenRow, group: str | None) -> str:
    fault = {"column": None, "rule": "readable", "value": None, "message": row.message}
    fault |= {} if row.is_data else {"is_data": False}  # it holds no group, and waits for nobody
    return _line(work, row.number, group, None, row.text.replace("\x00", "\u2400"), [fault])


def _line(
    work: Work, number: int, group: str | None, values: str | None, raw: str | None, faults: list[dict[str, Any]]
) -> str:
    name = work.lease.name
    cells = (
        text(name.tenant_id), plain(name.ingestion_id), number, text(group), text(_no_nul(values)), text(raw),
        text(_no_nul(orjson.dumps(faults).decode())), work.version,
    )  # fmt: skip
    return "\t".join(map(str, cells)) + "\n"


def _no_nul(json: str | None) -> str | None:
    r"""JSON that Postgres can read back as text: it has no place for \u0000."""
    return None if json is None else json.replace("\\u0000", "\\u2400")
