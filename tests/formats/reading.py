"""Files for tests, and what is read of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Bounds, Wishes

Row = tuple[Any, ...]


@dataclass
class Read:
    """All of a file. Rows are (number, *texts)."""

    columns: tuple[str, ...]
    facts: dict[str, Any]
    rows: list[Row]
    broken: list[tuple[int, str, str]]


def read(folder: Path, name: str, data: bytes, bounds: Bounds | None = None, **wishes: Any) -> Read:
    """Write a file and read it whole."""
    path = folder / name
    path.write_bytes(data)
    opened = kind_of(name).open(path, Wishes(**wishes), bounds or Bounds())
    found = Read(opened.columns, opened.facts, [], [])
    for batch in opened.batches:
        found.rows += batch.frame.rows()
        found.broken += [(one.number, one.text, one.message) for one in batch.broken]
    return found
