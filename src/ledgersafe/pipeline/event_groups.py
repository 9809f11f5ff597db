"""A file's rows by group, before any of them is sent: which groups are whole, and which are held by a bad row.

All of the file is held at once, since a group's rows may stand anywhere in it: so it is bounded.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import polars as pl

from ledgersafe.contracts.datasets.casting import cast, given_of, or_default
from ledgersafe.contracts.datasets.checking import FAULT_COLUMNS, ROW, Checked
from ledgersafe.contracts.datasets.events import Table, columns_to_agree, disagreement
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.formats.rows import Batch, BrokenRow, UnreadableFile
from ledgersafe.kernel.reasons import FILE_TOO_LARGE
from ledgersafe.pipeline.delivery import Tally, Work, bad_row_lines, checked_batches

MOST_BYTES = 120_000_000
"""How many bytes of text one file may have: grouped and sorted they take about seven times that, under 1 GiB."""
_KEY = "_group"
_FIRST = "_first"
_LONGEST_KEY = 200
_Parts = tuple[str, ...]


@dataclass(slots=True)
class Gathered:
    """All rows of a file. `groups`: of bad rows, which group each belongs to, where that is known.

    `culprits`: groups that are held, and by which bad row. `unplaced`: one that may be of any group: it holds all.
    """

    work: Work
    good: pl.DataFrame
    batches: list[tuple[Batch, Checked]]
    groups: dict[int, str] = field(default_factory=dict[int, str])
    culprits: dict[str, int] = field(default_factory=dict[str, int])
    unplaced: int | None = None

    def bad_lines(self) -> list[str]:
        """The bad rows found so far, as lines for `files.copy_bad_rows`."""
        groups = {number: stored_key(key) for number, key in self.groups.items()}
        return [line for batch, checked in self.batches for line in bad_row_lines(self.work, batch, checked, groups)]

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
        keys = held[_KEY].to_list()
        messages = [self._why_held(key) for key in keys]
        self.groups |= dict(zip(held[ROW].to_list(), keys, strict=True))
        self.add_faults(_faults(held[ROW], None, "group", pl.Series([None] * held.height, dtype=pl.String), messages))
        tally.rows_bad += held.height
        for number, message in zip(held[ROW].to_list(), messages, strict=True):
            tally.add_fault(number, None, "group", None, message)

    def _why_held(self, key: str) -> str:
        if (number := self.culprits.get(key)) is not None:
            return f"row {number:,} of its group is bad, which holds all of it"
        return f"row {self.unplaced:,} is bad and does not say of which group it is, which holds all of them"

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
    size = 0
    for batch, checked in checked_batches(work, tally):
        size += int(batch.frame.estimated_size())
        if size > MOST_BYTES:
            message = f"Its rows have more than {MOST_BYTES:,} bytes: send files that become events in parts."
            raise UnreadableFile(FILE_TOO_LARGE.code, message)
        batches.append((batch, checked))
    empty = pl.DataFrame(schema={ROW: pl.Int64} | {column.name: pl.String for column in work.dataset.columns})
    frames = [checked.good.select(empty.columns) for _, checked in batches if checked.good.height]
    good = pl.concat(frames) if frames else empty
    found = Gathered(work, good.with_columns(keys_of(work.dataset, good)), batches)
    _hold_repeated(found, tally)
    _hold_differing(found, tally)
    _find_culprits(found)
    return found


def stored_key(key: str) -> str:
    """A group's key as it is stored and indexed: a long one by its beginning and its hash."""
    return key if len(key) <= _LONGEST_KEY else f"{key[:100]}…{sha256(key.encode()).hexdigest()}"


def keys_of(dataset: Dataset, frame: pl.DataFrame) -> pl.Series:
    """Each row's group, as one text; no value is the same as an empty one."""
    names = dataset.shape.events.group_by if dataset.shape.events is not None else []
    parts = [frame[name].fill_null("") for name in names]
    if len(parts) == 1:
        return parts[0].alias(_KEY)
    return pl.DataFrame(parts).select(pl.struct(pl.all()).struct.json_encode().alias(_KEY)).to_series()


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
    events = found.work.dataset.shape.events
    for name, member in (columns_to_agree(events) if events is not None else {}).items():
        said = found.good.select(_KEY, name).unique()
        groups = said.filter(said[_KEY].is_duplicated())[_KEY].unique()
        if not len(groups):
            continue
        apart = found.good.filter(pl.col(_KEY).is_in(groups.implode()))
        message = disagreement(name, member)
        found.groups |= dict(zip(apart[ROW].to_list(), apart[_KEY].to_list(), strict=True))
        found.add_faults(_faults(apart[ROW], name, "event", apart[name], [message] * apart.height))
        tally.rows_bad += apart.height
        for number, value in apart.select(ROW, name).rows():
            tally.add_fault(number, name, "event", value, message)


def _find_culprits(found: Gathered) -> None:
    """Which group each bad row belongs to. Where that is not certain, it may be any of them: all are held."""
    lost: list[int] = []
    for batch, checked in found.batches:
        if broken := [row for row in batch.broken if row.is_data]:
            lost += _place_broken(found, broken)
        if checked.faults.height:
            lost += _place_bad(found, batch, checked)
    for number, key in found.groups.items():
        found.culprits.setdefault(key, number)
    found.unplaced = min(lost, default=None)


def _place_bad(found: Gathered, batch: Batch, checked: Checked) -> list[int]:
    """Of rows that break a rule. Returns those whose group cannot be read."""
    dataset = found.work.dataset
    names = dataset.shape.events.group_by if dataset.shape.events is not None else []
    numbers = checked.faults[ROW].unique(maintain_order=True)
    unplaced = checked.faults.filter(pl.col("column").is_in(names) & (pl.col("rule") != "unique"))[ROW].unique()
    placed = numbers.filter(~numbers.is_in(unplaced.implode()) & ~numbers.is_in(list(found.groups)))
    rows = batch.frame.filter(batch.frame[ROW].is_in(placed.implode()))
    keys = keys_of(dataset, pl.DataFrame([_value(dataset, name, rows) for name in names]))
    found.groups |= dict(zip(rows[ROW].to_list(), keys.to_list(), strict=True))
    return unplaced.to_list()


def _value(dataset: Dataset, name: str, rows: pl.DataFrame) -> pl.Series:
    column = dataset.column(name)
    given = rows[name] if name in rows.columns else pl.Series(name, [None] * rows.height, dtype=pl.String)
    return cast(column, or_default(column, given_of(column, given, dataset.shape.source.nulls)))


def _place_broken(found: Gathered, broken: Sequence[BrokenRow]) -> list[int]:
    """Of rows that could not be cut into values, by the fields at the places of the group's columns.

    They are believed only in a row of one line, at its beginning, with as many fields as the header or more: wherever
    else a field too few or too many may stand before them. Of several columns, one may hold a delimiter: together they
    must be a group of the file. Returns the rows whose group is not certain.
    """
    work = found.work
    delimiter = work.opened.facts.get("delimiter")
    events = work.dataset.shape.events
    places = {ours: at for theirs, at in work.opened.places.items() if (ours := work.header.renamed.get(theirs))}
    names = [] if events is None else events.group_by
    if not isinstance(delimiter, str) or any(name not in places for name in names):
        return [row.number for row in broken]
    at = [places[name] for name in names]
    if sorted(at) != list(range(len(at))):
        return [row.number for row in broken]
    width = len(work.opened.columns) + len(work.opened.facts.get("columns_without_name", ()))
    known = frozenset(found.good[_KEY].unique().to_list() if len(at) > 1 else ())
    lost: list[int] = []
    for row in broken:
        fields = _fields(row.text, delimiter)
        key = _key_in(work.dataset, names, at, fields) if len(fields) >= width else None
        if key is not None and (len(at) == 1 or key in known):
            found.groups[row.number] = key
        else:
            lost.append(row.number)
    return lost


def _key_in(dataset: Dataset, names: Sequence[str], places: Sequence[int], fields: Sequence[str]) -> str | None:
    read = [_value(dataset, name, pl.DataFrame({name: [fields[at]]})) for name, at in zip(names, places, strict=True)]
    return None if any(one.null_count() for one in read) else keys_of(dataset, pl.DataFrame(read))[0]


def _fields(text: str, delimiter: str) -> list[str]:
    """Of a row of one line; none of one in which others may be."""
    if "\n" in text or "\r" in text:
        return []
    try:
        return next(csv.reader([text], delimiter=delimiter), list[str]())
    except csv.Error:
        return []


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
