"""Files of data held against contracts, or made the ground of one. Loaded only by the commands that need it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledgersafe.cli.client import CliError
from ledgersafe.contracts.datasets.model import Dataset

try:
    import polars as pl

    from ledgersafe.contracts.datasets.checking import ROW, check
    from ledgersafe.contracts.datasets.headers import matched
    from ledgersafe.contracts.datasets.infer import infer, sample_of
    from ledgersafe.formats.kinds import kind_of
    from ledgersafe.formats.rows import Batch, Bounds, Opened, UnreadableFile, Wishes
    from ledgersafe.pipeline.wishes import wishes_of
except ImportError as error:
    raise CliError(f"Reading files needs more libraries: pip install 'ledgersafe[files]' ({error}).") from None


@dataclass(slots=True)
class CheckedFile:
    """What a file is by its contract. `faults`: the first ones, as (row, column, rule, value, message)."""

    rows: int = 0
    bad: int = 0
    faults: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        names = ("row", "column", "rule", "value", "message")
        return {
            "rows": self.rows,
            "good": self.rows - self.bad,
            "bad": self.bad,
            "missing_columns": list(self.missing),
            "unknown_columns": list(self.unknown),
            "faults": [dict(zip(names, fault, strict=True)) for fault in self.faults],
        }


def inferred(file: Path, dataset: str, rows: int) -> dict[str, Any]:
    """The members of a first contract. Raises CliError."""
    opened = _opened(file, Wishes())
    return infer(dataset, opened.columns, sample_of((batch.frame for batch in _batches(file, opened)), rows))


def checked_file(dataset: Dataset, file: Path, most: int) -> CheckedFile:
    """Hold a file against its contract; `most`: how many faults are kept. Raises CliError."""
    opened = _opened(file, wishes_of(dataset))
    header = matched(dataset, opened.columns)
    result = CheckedFile(missing=header.missing, unknown=header.unknown)
    keys: list[pl.DataFrame] = []
    for batch in _batches(file, opened):
        typed = "delimiter" not in opened.facts
        found = check(dataset, batch.frame.rename(header.renamed), typed=typed)
        result.rows += batch.frame.height + len(batch.broken)
        result.bad += found.rows - found.good.height + len(batch.broken)
        broken = [(one.number, None, "readable", one.text, one.message) for one in batch.broken]
        room = most - len(result.faults)
        result.faults += [*broken, *found.faults.head(max(room, 0)).rows()][:room] if room > 0 else []
        keys.append(found.good.select(ROW, *dataset.primary_key))
    twice = _twice(dataset, keys)
    result.bad += len(twice)
    result.faults += twice[: max(most - len(result.faults), 0)]
    return result


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
