"""Of which rows of which file an arrival was made, in words: for the commands and the console."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def in_words(origin: Mapping[str, Any]) -> str:
    """`day.csv, row 1,234`. `origin`: of the API."""
    numbers: Sequence[int] = origin["rows"]
    more = origin["rows_in_all"] - len(numbers)
    told = ", ".join(_runs(numbers)) + (f" and {more:,} more" if more else "")
    return f"{origin['filename']}, {'row' if origin['rows_in_all'] == 1 else 'rows'} {told}"


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    """`2-4`, `7`: numbers that follow each other, as one."""
    start = 0
    for at, number in enumerate(numbers):
        if numbers[at + 1 : at + 2] != [number + 1]:
            yield f"{number:,}" if start == at else f"{numbers[start]:,}-{number:,}"
            start = at + 1
