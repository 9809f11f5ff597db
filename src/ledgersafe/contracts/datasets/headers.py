"""A file's columns and a contract's: which is which, and how a file has drifted. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from operator import eq

import polars as pl

from ledgersafe.contracts.datasets.checking import ROW
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.names import normal_name

_ALIKE = 0.75
_SHORTEST = 3
"""Of so many letters a shortened name must be."""
_SHORTEST_END = 4
"""Of so many letters a name must be that another one ends with: many end with id, no or qty."""
_FEWEST_NAMES = 2
_BETWEEN_WORDS = re.compile(r"[\s_\-./]+")
_A_WORD = re.compile(r"\s*[^\W\d_]{2}|\D+\Z")
"""How names begin, and neither numbers nor days: 20 and £5 are none."""


@dataclass(frozen=True, slots=True)
class Header:
    """How a file's columns fit a contract.

    `renamed`: the contract's name of each column of the file that it knows. `missing`: of the contract, not in the
    file. `unknown`: in the file, not of the contract. `suggested`: what an unknown one could be: (unknown, missing).
    `twofold`: two of the file that lead to one of the contract, neither by its exact name: (first, second, column).
    """

    renamed: dict[str, str]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    suggested: tuple[tuple[str, str], ...]
    twofold: tuple[tuple[str, str, str], ...] = ()

    @property
    def has_drifted(self) -> bool:
        """Whether the file has other columns than its contract."""
        return bool(self.missing or self.unknown)


def matched(dataset: Dataset, columns: Sequence[str]) -> Header:
    """Find a file's columns in its contract: by name, else by a name that reads alike, or by an alias.

    Of two that lead to the same column the exact one is taken; the other is unknown. If neither is exact, the first is
    taken, and both are `twofold`.
    """
    renamed, twofold = known_names(dataset, columns, said_names(dataset))
    there = {*renamed.values()}
    missing = tuple(column.name for column in dataset.columns if column.name not in there)
    unknown = tuple(name for name in columns if name not in renamed)
    return Header(renamed, missing, unknown, tuple(_suggested(unknown, missing)), tuple(twofold))


def said_names(dataset: Dataset) -> dict[str, str]:
    """Every name that files give a column, in its normal form, and the column."""
    return {
        normal_name(said): column.name for column in dataset.columns for said in (column.name, *column.shape.aliases)
    }


def known_names(
    dataset: Dataset, columns: Sequence[str], said: Mapping[str, str]
) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Of `Header`: `renamed` and `twofold`. `said`: the contract's `said_names`."""
    exact = {column.name for column in dataset.columns}
    renamed = {name: name for name in columns if name in exact}
    taken = {name: name for name in renamed}
    twofold: list[tuple[str, str, str]] = []
    for name in columns:
        found = said.get(normal_name(name))
        if name in renamed or found is None:
            continue
        if found not in taken:
            renamed[name] = found
            taken[found] = name
        elif taken[found] != found:
            twofold.append((taken[found], name, found))
    return renamed, twofold


def other_header(dataset: Dataset, header: Header, rows: pl.DataFrame) -> tuple[int, list[str]] | None:
    """The first of a file's rows that names other columns than its header does: (number, cells).

    `rows`: those that break a rule, under the contract's names. At least half of such a row, and two, are names that
    the contract or the file has, each another one; or one is, where that column stands, and there are words, each
    another one, for numbers and days.
    """
    ours = [name for name in rows.columns if name != ROW]
    meant = {normal_name(theirs): header.renamed.get(theirs, theirs) for theirs in (*header.renamed, *header.unknown)}
    meant |= said_names(dataset)
    aliases = [said for column in dataset.columns for said in (column.name, *column.shape.aliases)]
    names = {name for said in (*header.renamed, *header.unknown, *aliases) for name in _spellings(said)}
    any_name = pl.any_horizontal(pl.col(ours).str.strip_chars().str.to_lowercase().is_in([*names]))
    texts = {column.name for column in dataset.columns if column.type.name in ("string", "boolean")}
    typed = [at for at, name in enumerate(ours) if name not in texts]
    for number, *cells in rows.select(ROW, *ours).filter(any_name).iter_rows():
        said = [meant.get(normal_name(cell or "")) for cell in cells]
        known = [name for name in said if name is not None]
        has_names = len(known) >= max(_FEWEST_NAMES, len(cells) / 2) and len({*known}) == len(known)
        if said != ours and (has_names or (any(map(eq, said, ours)) and _are_words(dataset, cells, typed))):
            return number, [cell or "" for cell in cells]
    return None


def _spellings(name: str) -> Iterator[str]:
    """How it is written, as a rule, by who means the same (`normal_name`): cells are looked up among these."""
    bare = name.strip().lower()
    yield bare
    yield from (_BETWEEN_WORDS.sub(between, bare) for between in (" ", "_", "-", ""))


def _are_words(dataset: Dataset, cells: Sequence[str | None], typed: Sequence[int]) -> bool:
    """Whether a row names what it should count: words in all of the `typed` places in which something stands, and in
    one at least; all of its cells differ.
    """
    there = [(at, cell.strip()) for at, cell in enumerate(cells) if cell and cell.strip()]
    counted = [cell for at, cell in there if at in typed and cell not in dataset.shape.source.nulls]
    differ = len({cell.lower() for _, cell in there}) == len(there)
    return differ and bool(counted) and all(map(_A_WORD.match, counted))


def _suggested(unknown: Sequence[str], missing: Sequence[str]) -> list[tuple[str, str]]:
    by_normal = {normal_name(name): name for name in missing}
    found: list[tuple[str, str]] = []
    for name in unknown:
        if (alike := _alike(normal_name(name), list(by_normal))) is not None:
            found.append((name, by_normal.pop(alike)))
    return found


def _alike(name: str, others: Sequence[str]) -> str | None:
    """What reads most like it, else one that it shortens or draws out: `lat`, `latitude`; `price`, `unit price`."""
    close = get_close_matches(name, others, n=1, cutoff=_ALIKE)
    begins = [other for other in others if min(len(name), len(other)) >= _SHORTEST and _begins(name, other)]
    ends = [other for other in others if min(len(name), len(other)) >= _SHORTEST_END and _ends(name, other)]
    return next(iter((*close, *begins, *ends)), None)


def _begins(name: str, other: str) -> bool:
    return name.startswith(other) or other.startswith(name)


def _ends(name: str, other: str) -> bool:
    return name.endswith(other) or other.endswith(name)


def schema_hash(columns: Sequence[str]) -> str:
    """What tells one header from another; the order of columns does not matter."""
    return sha256("\x1f".join(sorted(columns)).encode()).hexdigest()
