"""How a file is to be read, as its contract says."""

from collections.abc import Sequence
from functools import lru_cache

from ledgersafe.contracts.datasets.headers import matched
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.formats.rows import Spelling, Wishes


def wishes_of(dataset: Dataset) -> Wishes:
    """What the contract says, and what it knows: the names of columns, and how their values are written."""

    def recognised(names: Sequence[str]) -> int:
        return len(matched(dataset, names).renamed)

    @lru_cache(maxsize=10_000)  # it is asked for every value
    def spelling(name: str) -> Spelling:
        ours = matched(dataset, [name]).renamed.get(name)
        if ours is None:
            return Spelling()
        column = dataset.column(ours)
        form = column.formats[0] if column.shape.format is not None else None
        return Spelling(column.shape.decimal, form)

    source = dataset.shape.source
    return Wishes(source.delimiter, source.encoding, source.header_row, source.sheet, recognised, spelling)
