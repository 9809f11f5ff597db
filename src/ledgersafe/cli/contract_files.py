"""Files of data held against contracts, or made the ground of one. Loaded only by the commands that need it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledgersafe.cli.client import CliError
from ledgersafe.contracts.datasets.model import Dataset

try:
    import polars as pl

    from ledgersafe.contracts.datasets.casting import Borne
    from ledgersafe.contracts.datasets.checking import ROW, ROWS_AT_ONCE, Checked, check
    from ledgersafe.contracts.datasets.headers import Header, matched
    from ledgersafe.contracts.datasets.infer import guesses, infer, sample_of
    from ledgersafe.formats.kinds import kind_of
    from ledgersafe.formats.rows import Batch, Bounds, BrokenRow, Opened, UnreadableFile, Wishes, passed_over
    from ledgersafe.pipeline.deliveries.wishes import refuse_other_header, wishes_of
except ImportError as error:
    raise CliError(f"Reading files needs more libraries: pip install 'ledgersafe[files]' ({error}).") from None


_CONTROL = re.compile(r"\s*[\x00-\x1f\x7f]+\s*")
"""Such as the line breaks in headers of workbooks: no contract has them in a name."""


@dataclass(slots=True)
class CheckedFile:
    """What a file is by its contract. `faults`: the first ones, as (row, column, rule, value, message).

    `not_read`: what of it was passed over, in sentences.
    """

    rows: int = 0
    bad: int = 0
    faults: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    not_read: tuple[str, ...] = ()

    def add(self, faults: Sequence[tuple[Any, ...]], most: int) -> None:
        """More faults, as long as there are fewer than `most`."""
        self.faults += faults[: max(most - len(self.faults), 0)]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        names = ("row", "column", "rule", "value", "message")
        return {
            "rows": self.rows,
            "good": self.rows - self.bad,
            "bad": self.bad,
            "missing_columns": list(self.missing),
            "unknown_columns": list(self.unknown),
            "not_read": list(self.not_read),
            "faults": [dict(zip(names, fault, strict=True)) for fault in self.faults],
        }


def inferred(file: Path, dataset: str, rows: int) -> tuple[dict[str, Any], list[str]]:
    """The members of a first contract, and what to know of them, in sentences. Raises CliError."""
    opened = _opened(file, Wishes())
    aside: list[BrokenRow] = []
    names = _names(opened.columns)
    sample = sample_of(_frames(_batches(file, opened), aside), rows)
    if sample.width:
        sample.columns = names
    else:
        sample = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    members = infer(dataset, names, sample)
    told = guesses(members, sample) + passed_over(opened.facts)
    if aside:
        such = f"such as row {aside[0].number:,}, which {aside[0].message}"
        told.append(f"Left out, since they cannot be read: {len(aside):,} of its rows, {such}.")
    if opened.facts.get("encoding_is_guessed"):
        told.append(
            f"It is not in UTF-8, and was read as {opened.facts['encoding']}: source.encoding may name another."
        )
    return members, told


def _names(columns: Sequence[str]) -> list[str]:
    """As a contract may have them, if these can be told apart; they find those of the file all the same."""
    names = [_CONTROL.sub(" ", name).strip() for name in columns]
    return names if all(names) and len(set(names)) == len(names) else [*columns]


def _frames(batches: Iterator[Batch], aside: list[BrokenRow]) -> Iterator[pl.DataFrame]:
    for batch in batches:
        aside += batch.broken
        yield batch.frame


def checked_file(dataset: Dataset, file: Path, most: int) -> CheckedFile:
    """Hold a file against its contract; `most`: how many faults are kept. Raises CliError."""
    opened = _opened(file, wishes_of(dataset))
    header = matched(dataset, opened.columns)
    result = CheckedFile(missing=header.missing, unknown=header.unknown)
    keys: list[pl.DataFrame] = []
    borne: dict[str, Borne] = {}
    for batch in _batches(file, opened):
        result.add([(one.number, None, "readable", one.text, one.message) for one in batch.broken], most)
        result.rows += batch.frame.height + len(batch.broken)
        result.bad += len(batch.broken)
        for rows in batch.frame.select(ROW, *header.renamed).rename(header.renamed).iter_slices(ROWS_AT_ONCE):
            found = check(dataset, rows, borne=borne)
            _refuse_other_header(file, dataset, header, opened, rows, found)
            result.bad += found.rows - found.good.height
            result.add(found.faults.head(most).rows(), most)
            keys.append(found.good.select(ROW, *dataset.primary_key))
    twice = _twice(dataset, keys)
    result.bad += len(twice)
    result.add(twice, most)
    result.not_read = tuple(passed_over(opened.facts))
    return result


def _refuse_other_header(
    file: Path, dataset: Dataset, header: Header, opened: Opened, rows: "pl.DataFrame", found: Checked
) -> None:
    try:
        refuse_other_header(dataset, header, opened.facts, rows, found)
    except UnreadableFile as error:
        raise CliError(f"{file} cannot be read: {error.code}: {error}") from None


def _twice(dataset: Dataset, keys: list[pl.DataFrame]) -> list[tuple[Any, ...]]:
    """Rows whose key another row of the file has, too."""
    if not dataset.primary_key or not keys:
        return []
    every = pl.concat(keys)
    names = list(dataset.primary_key)
    repeated = every.filter(pl.struct(names).is_duplicated()).sort(ROW)
    message = "another row of the file has the same key"
    return [(row[0], ", ".join(names), "unique", " | ".join(map(str, row[1:])), message) for row in repeated.rows()]


def _opened(file: Path, wishes: Wishes) -> Opened:
    try:
        return kind_of(file.name).open(file, wishes, Bounds())
    except UnreadableFile as error:
        raise CliError(f"{file} cannot be read: {error.code}: {error}") from None
    except OSError as error:
        raise CliError(f"Cannot read {file}: {error.strerror or error}.") from None


def _batches(file: Path, opened: Opened) -> Iterator[Batch]:
    try:
        yield from opened.batches
    except UnreadableFile as error:
        raise CliError(f"{file} cannot be read: {error.code}: {error}") from None
