"""A file's rows by group, before any of them is sent: which groups are whole, and which are held by a bad row.

All of the file is held at once, since a group's rows may stand anywhere in it: so it is bounded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256

import polars as pl

from ledgersafe.contracts.datasets.casting import cast, given_of, or_default
from ledgersafe.contracts.datasets.checking import FAULT_COLUMNS, ROW, Checked
from ledgersafe.contracts.datasets.event_currencies import MARKED_COLUMNS, foreign
from ledgersafe.contracts.datasets.event_kinds import agreements
from ledgersafe.contracts.datasets.event_times import far_apart
from ledgersafe.contracts.datasets.events import Table
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.formats.rows import Batch, BrokenRow, UnreadableFile
from ledgersafe.kernel.reasons import FILE_TOO_LARGE
from ledgersafe.pipeline.deliveries.broken_rows import Known, by_cells, layout_of, placed
from ledgersafe.pipeline.deliveries.delivery import Tally, Work, bad_row_lines, checked_batches
from ledgersafe.pipeline.deliveries.footers import ALONE, footers

MOST_BYTES = 120_000_000
"""How many bytes of text one file may have: grouped and sorted they take about seven times that, under 1 GiB."""
MOST_VALUES = 10_000_000
"""How many values: each takes some memory, however short it is. A row counts as two more of them."""
_VALUES_OF_A_BROKEN_ROW = 10
"""As how many it counts: it is kept by itself."""
_BROKEN_AT_ONCE = 500
"""How many are cut into fields at a time: each may have thousands."""
_KEY = "_group"
_FIRST = "_first"
_HELD: dict[str, type[pl.DataType]] = {ROW: pl.Int64, _KEY: pl.String}
_LONGEST_KEY = 200
_GROUPLESS = "has no value, and nothing else says of which event the row is"


@dataclass(slots=True)
class Gathered:
    """All rows of a file. `groups`: of bad rows, which group each belongs to, where that is known.

    `culprits`: groups that are held, and by which bad row. `unplaced`: one that may be of any group: it holds all.
    `held`: ROW and group of the rows that are good and held; what is told of them is made when it is written.
    `unsaid`: amounts that say a currency, of events that do not (MARKED_COLUMNS).
    """

    work: Work
    good: pl.DataFrame
    batches: list[tuple[Batch, Checked]]
    groups: dict[int, str] = field(default_factory=dict[int, str])
    culprits: dict[str, int] = field(default_factory=dict[str, int])
    unplaced: int | None = None
    held: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_HELD))
    unsaid: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MARKED_COLUMNS))

    def bad_lines(self) -> Iterator[list[str]]:
        """The bad rows found so far, as lines for `files.copy_bad_rows`: batch by batch, as there may be very many."""
        for batch, checked in self.batches:
            held = batch.frame.select(ROW).join(self.held, on=ROW)
            keys = dict(held.rows())
            why = _faults(held[ROW], None, "group", _nothing(held.height), [*map(self._why_held, keys.values())])
            known = Checked(checked.good, pl.concat([checked.faults, why]), checked.nulls, checked.rows)
            bad = [*checked.faults[ROW].unique(), *(row.number for row in batch.broken)]
            keys |= {number: self.groups[number] for number in bad if number in self.groups}
            groups = {number: stored_key(key) for number, key in keys.items()}
            if lines := bad_row_lines(self.work, batch, known, groups):
                yield lines

    def add_faults(self, faults: pl.DataFrame) -> None:
        """More of them (FAULT_COLUMNS), found in rows that are good by themselves: those are good no more."""
        rows = faults[ROW].unique().implode()
        self.good = self.good.filter(~pl.col(ROW).is_in(rows))
        for at, (batch, checked) in enumerate(self.batches):
            mine = faults.filter(pl.col(ROW).is_in(batch.frame[ROW].implode()))
            if mine.height:
                known = pl.concat([checked.faults, mine])
                self.batches[at] = batch, Checked(checked.good, known, checked.nulls, checked.rows)

    def hold(self, tally: Tally) -> None:
        """Take every row of a group with a bad row out of the good ones: they are kept as bad rows, too."""
        held = self.good
        if self.unplaced is None:
            held = held.filter(pl.col(_KEY).is_in(list(self.culprits)))
        if not held.height:
            return
        self.held = held.select(ROW, _KEY)
        self.good = self.good.join(self.held, on=ROW, how="anti", maintain_order="left")
        tally.rows_bad += held.height
        for number, key in self.held.iter_rows():
            tally.add_fault(number, None, "group", None, self._why_held(key))

    def _why_held(self, key: str) -> str:
        if (number := self.culprits.get(key)) is not None:
            return f"row {number:,} of its group is bad, which holds all of it"
        told = f"row {self.unplaced:,} is bad and does not say of which group it is, which holds all of them"
        return f"{told}: ignore it if it is no line of any, else put it right; then replay the file"

    def tables(self, rows: int) -> Iterator[tuple[Table, list[range]]]:
        """The good rows, group after group in the order in which they begin; about so many at once."""
        columns = [column.name for column in self.work.dataset.columns]
        begins = self.good.with_columns(pl.col(ROW).min().over(_KEY).alias(_FIRST)).sort(_FIRST, ROW)
        sizes = begins[_FIRST].rle().struct.field("len").to_list()
        for start, chunk in _chunks(sizes, rows):
            frame = begins.slice(start, sum(chunk))
            yield Table(frame[ROW].to_list(), {name: frame[name].to_list() for name in columns}), _ranges(chunk)


def gather(work: Work, tally: Tally) -> Gathered:
    """Read all of a file, and find which groups its bad rows hold. Raises UnreadableFile."""
    batches: list[tuple[Batch, Checked]] = []
    size = values = 0
    for batch, checked in checked_batches(work, tally):
        size += int(batch.frame.estimated_size()) + sum(len(row.text) for row in batch.broken)
        values += batch.frame.height * (batch.frame.width + 1)  # with its number, and the group to come
        values += sum(_VALUES_OF_A_BROKEN_ROW + len(row.cells or ()) for row in batch.broken)
        if size > MOST_BYTES or values > MOST_VALUES:
            most = f"{MOST_BYTES:,} bytes or {MOST_VALUES:,} values"
            message = f"Its rows have more than {most}: send files that become events in parts."
            raise UnreadableFile(FILE_TOO_LARGE.code, message)
        batches.append((batch, checked))
    empty = pl.DataFrame(schema={ROW: pl.Int64} | {column.name: pl.String for column in work.dataset.columns})
    frames = [checked.good.select(empty.columns) for _, checked in batches if checked.good.height]
    good = pl.concat(frames) if frames else empty
    found = Gathered(work, good.with_columns(keys_of(work.dataset, good)), batches)
    _hold_groupless(found, tally)
    _hold_repeated(found, tally)
    _hold_differing(found, tally)
    _hold_far_apart(found, tally)
    _hold_foreign(found, tally)
    _find_culprits(found, tally)
    return found


def stored_key(key: str) -> str:
    """A group's key as it is stored and indexed: a long one by its beginning and its hash."""
    return key if len(key) <= _LONGEST_KEY else f"{key[:100]}…{sha256(key.encode()).hexdigest()}"


def keys_of(dataset: Dataset, frame: pl.DataFrame) -> pl.Series:
    """Each row's group, as one text; no value is the same as an empty one."""
    parts = [frame[name].fill_null("") for name in _group_by(dataset)]
    if len(parts) == 1:
        return parts[0].alias(_KEY)
    return pl.DataFrame(parts).select(pl.struct(pl.all()).struct.json_encode().alias(_KEY)).to_series()


def groupless(dataset: Dataset, frame: pl.DataFrame) -> pl.DataFrame:
    """Faults (FAULT_COLUMNS) of rows that do not say of which group they are. `frame`: ROW and the group's columns.

    A part may be blank where the contract says so (`default: ""`), but not all of them.
    """
    names = _group_by(dataset)
    all_blank = frame.select(pl.all_horizontal(pl.col(names).fill_null("") == "")).to_series()
    found = [pl.DataFrame(schema=FAULT_COLUMNS)]
    for name in names:
        rows = frame.filter(frame[name].is_null() | all_blank)[ROW]
        nothing = pl.Series([None] * len(rows), dtype=pl.String)
        found.append(_faults(rows, name, "required", nothing, [_GROUPLESS] * len(rows)))
    return pl.concat(found).sort(ROW, maintain_order=True)


def _group_by(dataset: Dataset) -> list[str]:
    return dataset.shape.events.group_by if dataset.shape.events is not None else []


def _hold_groupless(found: Gathered, tally: Tally) -> None:
    """Rows without a group are bad, also where their columns need not have a value: together they are no event."""
    dataset, names = found.work.dataset, _group_by(found.work.dataset)
    faults = groupless(dataset, found.good)
    tally.rows_bad += faults[ROW].n_unique()
    for batch, checked in found.batches:
        if checked.faults.height:
            bad = batch.frame.filter(batch.frame[ROW].is_in(checked.faults[ROW].implode()))
            read = pl.DataFrame([bad[ROW], *(_value(found.work, name, bad) for name in names)])
            more = groupless(dataset, read).join(checked.faults, on=[ROW, "column"], how="anti")
            faults = faults.vstack(more)
    if not faults.height:
        return
    found.add_faults(faults)
    for number, name in faults.select(ROW, "column").rows():
        tally.add_fault(number, name, "required", None, _GROUPLESS)


def _hold_repeated(found: Gathered, tally: Tally) -> None:
    """Rows that share what must differ are bad: which of them is right, a person has to say."""
    dataset = found.work.dataset
    wanted: list[tuple[str, ...]] = [(column.name,) for column in dataset.columns if column.shape.unique]
    if dataset.primary_key and dataset.primary_key not in wanted:
        wanted.append(dataset.primary_key)
    for names in wanted:
        told = ", ".join(names)
        good = found.good
        same = good.select(pl.struct(names).is_duplicated() & pl.all_horizontal(pl.col(names).is_not_null()))
        twice = good.filter(same.to_series())
        if not twice.height:
            continue
        values = twice.select(pl.concat_str(names, separator=" | ")).to_series()
        message = f"another row of the file has the same {told}"
        found.groups |= dict(zip(twice[ROW].to_list(), twice[_KEY].to_list(), strict=True))
        found.add_faults(_faults(twice[ROW], told, "unique", values, [message] * twice.height))
        tally.rows_bad += twice.height
        for number, value in zip(twice[ROW].to_list(), values.to_list(), strict=True):
            tally.add_fault(number, told, "unique", value, message)


def _hold_differing(found: Gathered, tally: Tally) -> None:
    """Rows of a group that do not agree what event they are of are bad: which is right, a person has to say."""
    for one in agreements(found.work.dataset):
        name, message = one.column, one.message
        said = pl.DataFrame([found.good[_KEY], one.said(found.good)]).unique()
        groups = said.filter(said[_KEY].is_duplicated())[_KEY].unique()
        if not len(groups):
            continue
        apart = found.good.filter(pl.col(_KEY).is_in(groups.implode()))
        found.groups |= dict(zip(apart[ROW].to_list(), apart[_KEY].to_list(), strict=True))
        found.add_faults(_faults(apart[ROW], name, "event", apart[name], [message] * apart.height))
        tally.rows_bad += apart.height
        for number, value in apart.select(ROW, name).rows():
            tally.add_fault(number, name, "event", value, message)


def _hold_far_apart(found: Gathered, tally: Tally) -> None:
    """Rows of a group whose times lie days apart are bad: they may be of several events that share a number."""
    apart = far_apart(found.work.dataset, found.good, found.good[_KEY])
    if not apart.height:
        return
    found.groups |= dict(found.good.join(apart.select(ROW), on=ROW).select(ROW, _KEY).rows())
    found.add_faults(apart.select(ROW, "column", pl.lit("event").alias("rule"), "value", "message"))
    tally.rows_bad += apart.height
    for number, name, value, message in apart.rows():
        tally.add_fault(number, name, "event", value, message)


def _hold_foreign(found: Gathered, tally: Tally) -> None:
    """Amounts that say another currency than their event are bad: which of the two is right, a person has to say."""
    marked = pl.concat([pl.DataFrame(schema=MARKED_COLUMNS), *(checked.marked for _, checked in found.batches)])
    apart, found.unsaid = foreign(found.work.dataset, found.good, found.good[_KEY], marked)
    if not apart.height:
        return
    faults = apart.select(ROW, "column", pl.lit("currency").alias("rule"), "value", "message")
    found.groups |= dict(found.good.join(apart.select(ROW).unique(), on=ROW).select(ROW, _KEY).rows())
    found.add_faults(faults)
    tally.rows_bad += faults[ROW].n_unique()
    for number, name, value, message in apart.rows():
        tally.add_fault(number, name, "currency", value, message)


def _find_culprits(found: Gathered, tally: Tally) -> None:
    """Which group each bad row belongs to. Where that is not certain, it may be any of them: all are held."""
    lost: list[int] = []
    for batch, checked in found.batches:
        if checked.faults.height:
            lost += _place_bad(found, batch, checked)
    if broken := [row for batch, _ in found.batches for row in batch.broken if row.is_data]:
        lost += _place_broken(found, broken)
    if lost and found.work.left_out is not None:
        every, lost = len(lost), found.work.left_out.holding(lost, (batch for batch, _ in found.batches))
        tally.rows_decided += every - len(lost)
    if lost:
        lost = _without_footers(found, lost)
    for number, key in found.groups.items():
        found.culprits.setdefault(key, number)
    found.unplaced = min(lost, default=None)


def _without_footers(found: Gathered, lost: Sequence[int]) -> list[int]:
    """Those of them that hold all groups: what says at the file's end that it ends holds itself alone."""
    dataset = found.work.dataset
    alone = footers(found.work, found.batches, lost, partial(_value, found.work), _group_by(dataset))
    if not alone:
        return [*lost]
    found.add_faults(_faults(pl.Series(alone), None, "footer", _nothing(len(alone)), [ALONE] * len(alone)))
    for at, (batch, checked) in enumerate(found.batches):
        told = [replace(row, message=f"{row.message}; {ALONE}") if row.number in alone else row for row in batch.broken]
        found.batches[at] = Batch(batch.frame, tuple(told)), checked
    return [number for number in lost if number not in alone]


def _place_bad(found: Gathered, batch: Batch, checked: Checked) -> list[int]:
    """Of rows that break a rule. Returns those whose group cannot be read."""
    dataset, names = found.work.dataset, _group_by(found.work.dataset)
    of_group = checked.faults.filter(pl.col("column").is_in(names))
    numbers = checked.faults[ROW].unique(maintain_order=True)
    unplaced = of_group.filter(~pl.col("rule").is_in(["unique", "event"]))[ROW].unique()
    placed = numbers.filter(~numbers.is_in(unplaced.implode()) & ~numbers.is_in(list(found.groups)))
    rows = batch.frame.filter(batch.frame[ROW].is_in(placed.implode()))
    keys = keys_of(dataset, pl.DataFrame([_value(found.work, name, rows) for name in names]))
    of = dict(zip(rows[ROW].to_list(), keys.to_list(), strict=True))
    unsure = _of_two_cases(found, {of[row]: row for row in of_group.filter(rule="event")[ROW].unique() if row in of})
    found.groups |= {number: key for number, key in of.items() if number not in unsure}
    return [*unplaced, *unsure]


def _of_two_cases(found: Gathered, rows: Mapping[str, int]) -> list[int]:
    """Rows by their groups: those whose group may be another one of the file, written in other letters (r77, R77)."""
    if not rows:
        return []
    groups = Counter(key.casefold() for key in {*found.good[_KEY].unique().to_list(), *rows})
    return [number for key, number in rows.items() if groups[key.casefold()] > 1]


def _value(work: Work, name: str, rows: pl.DataFrame) -> pl.Series:
    column = work.dataset.column(name)
    given = rows[name] if name in rows.columns else pl.Series(name, [None] * rows.height, dtype=pl.String)
    text = or_default(column, given_of(column, given, work.dataset.shape.source.nulls))
    return cast(column, text)


def _place_broken(found: Gathered, broken: Sequence[BrokenRow]) -> list[int]:
    """Of rows that could not be cut into values. Returns those whose group is not certain."""
    of = by_cells(found.work, _group_by(found.work.dataset), broken, partial(_keys_in, found.work))
    of |= dict.fromkeys(_of_two_cases(found, {key: number for number, key in of.items() if key is not None}))
    of |= _placed(found, [row for row in broken if row.cells is None])
    found.groups |= {number: key for number, key in of.items() if key is not None}
    return [number for number, key in of.items() if key is None]


def _placed(found: Gathered, broken: Sequence[BrokenRow]) -> dict[int, str | None]:
    """Of rows whose text alone is known."""
    if not broken:
        return {}  # and of a file without any good row, none is the last
    work, dataset = found.work, found.work.dataset
    ends = [batch.frame[ROW][-1] for batch, _ in found.batches if batch.frame.height]
    layout = layout_of(work, _group_by(dataset), max([*ends, *(row.number for row in broken)]))
    if layout is None:
        return dict.fromkeys(row.number for row in broken)
    known = Known()
    for batch, _ in found.batches:
        read = pl.DataFrame([_value(work, name, batch.frame) for name in layout.names])
        keys = keys_of(dataset, read)
        known.add(read, keys)
        known.add(batch.frame.select(name for name in layout.names if name in batch.frame.columns), keys)
    of: dict[int, str | None] = {}
    for start in range(0, len(broken), _BROKEN_AT_ONCE):
        of |= placed(layout, known, broken[start : start + _BROKEN_AT_ONCE], partial(_keys_in, work))
    return of


def _keys_in(work: Work, rows: pl.DataFrame) -> pl.Series:
    """Each row's group; null where it says none. `rows`: ROW and the group's columns, as the file has them."""
    read = pl.DataFrame([rows[ROW], *(_value(work, name, rows) for name in _group_by(work.dataset))])
    return keys_of(work.dataset, read).set(rows[ROW].is_in(groupless(work.dataset, read)[ROW].implode()), None)


def _nothing(rows: int) -> pl.Series:
    return pl.Series([None] * rows, dtype=pl.String)


def _faults(rows: pl.Series, column: str | None, rule: str, values: pl.Series, messages: Sequence[str]) -> pl.DataFrame:
    found: Mapping[str, object] = {
        ROW: rows, "column": pl.Series([column] * len(rows), dtype=pl.String), "rule": [rule] * len(rows),
        "value": values, "message": messages,
    }  # fmt: skip
    return pl.DataFrame(found, schema=FAULT_COLUMNS)


def _chunks(sizes: Sequence[int], rows: int) -> Iterator[tuple[int, list[int]]]:
    """Sizes of groups, together about so many rows; with where each chunk begins."""
    start, end, chunk = 0, 0, list[int]()
    for size in sizes:
        chunk.append(size)
        end += size
        if end - start >= rows:
            yield start, chunk
            start, chunk = end, []
    if chunk:
        yield start, chunk


def _ranges(sizes: Sequence[int]) -> list[range]:
    found: list[range] = []
    start = 0
    for size in sizes:
        found.append(range(start, start + size))
        start += size
    return found
