"""How a file is to be read, as its contract says."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from ledgersafe.contracts.datasets.checking import ROW, Checked, check
from ledgersafe.contracts.datasets.headers import Header, known_names, other_header, said_names
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.names import normal_name
from ledgersafe.formats.rows import Spelling, UnreadableFile, Wishes

_SHOWN = 120


def refuse_other_header(
    dataset: Dataset, header: Header, facts: Mapping[str, Any], rows: pl.DataFrame, checked: Checked
) -> None:
    """Raises UnreadableFile: among rows that break a rule is a header, of other columns or in another order, so that
    what comes after it stands in other columns. `rows`: those that were checked. `facts`: of a file that has a header.
    """
    if not checked.faults.height or not facts.keys() & {"delimiter", "sheet"}:
        return
    bad = rows.filter(rows[ROW].is_in(checked.faults[ROW].unique().implode()))
    if (found := other_header(dataset, header, bad)) is not None:
        told = f"Row {found[0]:,} is a header, too, but of other columns ({', '.join(found[1])[:_SHOWN]})"
        raise UnreadableFile("BAD_HEADER", f"{told}: which column is which after it? Send it as two files.")


def wishes_of(dataset: Dataset) -> Wishes:
    """What the contract says, and what it knows: the names of columns, and how their values are written."""

    said = said_names(dataset)

    def recognised(names: Sequence[str]) -> int:
        return len(known_names(dataset, names, said)[0])

    @lru_cache(maxsize=10_000)  # it is asked for every value
    def spelling(name: str) -> Spelling:
        ours = said.get(normal_name(name))
        if ours is None:
            return Spelling()
        column = dataset.column(ours)
        form = column.formats[0] if column.shape.format is not None else None
        has_decimals = column.type.name in ("decimal", "number")
        return Spelling(
            column.shape.decimal, form, column.type.is_number, has_decimals, column.tells_events,
            is_text=column.type.name == "string", has_pattern=column.shape.pattern is not None,
        )  # fmt: skip

    def faults(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[set[str]]:
        return _faults(dataset, {name: ours for name in names if (ours := said.get(normal_name(name)))}, names, rows)

    source = dataset.shape.source
    is_all_text = all(column.type.name == "string" for column in dataset.columns)
    return Wishes(
        source.delimiter, source.encoding, source.header_row, source.sheet, recognised, spelling, is_all_text,
        source.skip_rows, faults,
    )  # fmt: skip


def _faults(
    dataset: Dataset, ours: Mapping[str, str], names: Sequence[str], rows: Sequence[Sequence[str]]
) -> list[set[str]]:
    """Of each row, the columns that break a rule by themselves. `ours`: by a file's name, that of the contract."""
    found = [set[str]() for _ in rows]
    theirs = {ours[name]: name for name in names if name in ours}
    given = {known: [row[names.index(name)] for row in rows] for known, name in theirs.items()}
    frame = pl.DataFrame({ROW: [*range(len(rows))], **given}, schema={ROW: pl.Int64} | dict.fromkeys(given, pl.String))
    faults = check(dataset, frame).faults
    for at, column in faults.filter(faults["rule"] != "event").select(ROW, "column").rows():
        if column in theirs:
            found[int(at)].add(theirs[str(column)])
    for column in dataset.columns:
        if column.name in given and column.tells_events and column.shape.default is None:
            for at, value in enumerate(given[column.name]):
                found[at] |= set() if value.strip() else {theirs[column.name]}
    return found
