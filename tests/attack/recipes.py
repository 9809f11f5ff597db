"""Files to be delivered under attack: each made from a few numbers, again and again alike, with what must come of it.

Of one owner come several revisions of one file. Those of tables are sent one after the other, so that their order is
known; the keys of different owners never meet. Revisions of receipts may come in any order: they say the same.
"""

import gzip
from collections.abc import Callable, Container, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from random import Random
from threading import Lock
from typing import Any
from zlib import crc32

from tests.contracts.till_lines import CONTRACT as TILL_LINES

TENANTS = ["north", "south"]
LINES = 20
"""Of one receipt."""
_STRIDE = 7_919
"""Prime, and no divisor of any number of rows: rows are taken in another order in each revision."""
_COLUMNS = {
    "sku": {"type": "string", "required": True},
    "qty": {"type": "integer", "required": True},
    "price": {"type": "decimal(10,2)", "required": True, "min": 0},
    "day": {"type": "date", "format": "%d/%m/%Y"},
    "note": {},
}
CONTRACTS: list[dict[str, Any]] = [
    {"dataset": "stock", "primary_key": ["sku"], "drift_policy": "warn", "columns": _COLUMNS},
    {
        "dataset": "prices",
        "primary_key": ["sku"],
        "drift_policy": "fail",
        "on_bad_rows": "reject_file",
        "columns": _COLUMNS,
    },
    TILL_LINES | {"dataset": "sales", "columns": TILL_LINES["columns"] | {"Remark": {}}},
]
HEADERS = {"stock": "sku,qty,price,day,note", "prices": "sku,qty,price,day,note"}
HEADERS["sales"] = "Receipt,Item,Qty,Price,At,Remark"
FLAWS = {
    "stock": ["", "", "", "drifted", "twice", "cut"],
    "prices": ["", "drifted", "spoiled"],
    "sales": ["", "", "drifted"],
}
_SHARES = {"stock": 9, "prices": 3, "sales": 6}
Row = tuple[int, str, str, str]
"""qty, price, day and note, as Postgres says them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Of what a file is made. `number`: its own. `flaw`: what is wrong with it as a whole, besides some bad rows."""

    number: int
    dataset: str
    tenant: str
    owner: int
    revision: int
    rows: int
    flaw: str

    @property
    def filename(self) -> str:
        """As its sender calls it."""
        return f"{self.dataset}-{self.number}.csv" + (".gz" if self.flaw == "cut" else "")


@dataclass(slots=True)
class Made:
    """A file, and what must come of it. `bad`: row → the rule it breaks. `reason`: where it is held as a whole.

    `rows`: of a table, key → (its row in the file, the values). `events`: id → (lines, total in cents).
    """

    body: bytes
    reason: str | None = None
    drifted: bool = False
    rows_in: int = 0
    bad: dict[int, str] = field(default_factory=dict[int, str])
    rows: dict[str, tuple[int, Row]] = field(default_factory=dict[str, tuple[int, Row]])
    events: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    @property
    def sha256(self) -> bytes:
        """What it is called in the raw zone."""
        return sha256(self.body).digest()


def make(recipe: Recipe) -> Made:
    """The same recipe makes the same file."""
    lines, made = list[str](), Made(b"", drifted=recipe.flaw == "drifted", rows_in=recipe.rows)
    (_receipts if recipe.dataset == "sales" else _table)(recipe, lines, made)
    extra = ",colour" if made.drifted else ""
    tail = ",blue\n" if made.drifted else "\n"
    made.body = f"{HEADERS[recipe.dataset]}{extra}\n{tail.join(lines)}{tail}".encode()
    if recipe.flaw == "cut":
        whole = gzip.compress(made.body, 1, mtime=0)
        return Made(whole[: len(whole) * 2 // 3], "TRUNCATED_FILE")
    if recipe.dataset == "prices" and made.drifted:
        return Made(made.body, "SCHEMA_DRIFT", drifted=True)
    if recipe.flaw == "spoiled":
        made.reason, made.rows = "TOO_MANY_BAD_ROWS", {}
    return made


def _table(recipe: Recipe, lines: list[str], made: Made) -> None:
    """A third of the rows change with each revision."""
    for number, index in _order(recipe):
        sku = f"{recipe.tenant[0]}{recipe.owner}-{index:06d}"
        changed = max(recipe.revision - (index + recipe.revision) % 3, 0)
        drawn = crc32(f"{sku}/{changed}".encode())
        qty, price, day = drawn % 1000, f"{drawn % 9_000 + 10}.{drawn % 100:02d}", drawn % 28 + 1
        note = f"of revision {changed} as {drawn:010d}"
        line = f"{sku},{qty},{price},{day:02d}/01/2026,{note}"
        fault = _fault(recipe, index)
        if fault is None:
            made.rows[sku] = number, (qty, price, f"2026-01-{day:02d}", note)
            lines.append(line)
            continue
        made.bad[number] = fault
        lines.append(_spoilt(line.split(","), fault))
    if recipe.flaw == "twice":
        _repeat(lines, made)


def _repeat(lines: list[str], made: Made) -> None:
    """Of three keys come two rows each: none of these is right."""
    for sku in list(made.rows)[:3]:
        first, _ = made.rows.pop(sku)
        lines.append(lines[first - 2])
        made.rows_in += 1
        made.bad |= {first: "unique", made.rows_in + 1: "unique"}


def _spoilt(cells: list[str], fault: str) -> str:
    at, value = {"type": (1, "x"), "min": (2, "-1.00"), "required": (0, ""), "readable": (1, "?")}[fault]
    cells[at] = value
    return ",".join(cells[:2] if fault == "readable" else cells)


def _receipts(recipe: Recipe, lines: list[str], made: Made) -> None:
    """Whole receipts, their lines all over the file; a bad line holds its receipt."""
    groups = dict[str, list[tuple[int, int]]]()
    held = set[str]()
    for number, index in _order(recipe):
        receipt = f"{recipe.tenant[0]}{recipe.owner}-{index // LINES}"
        drawn = crc32(f"{recipe.owner}/{index}".encode())
        qty, cents = drawn % 5 + 1, drawn % 900 + 5
        cells = [receipt, f"sku-{drawn % 40}", str(qty), f"{cents // 100}.{cents % 100:02d}", "2026-02-25 10:00"]
        cells.append(f"whatever the till printed there: {drawn:010d}, {drawn * 31 % 2**32:010d}".replace(",", ""))
        groups.setdefault(receipt, []).append((number, qty * cents))
        fault = _fault(recipe, index)
        if fault is not None:
            made.bad[number] = fault
            held.add(receipt)
            cells[{"type": 2, "required": 1, "readable": 1}[fault]] = "" if fault == "required" else "x"
        # With a field too many it still says which receipt it is of; with one too few it would hold the whole file.
        lines.append(",".join([*cells, "more"] if fault == "readable" else cells))
    for receipt, its in groups.items():
        if receipt in held:
            made.bad |= {number: "group" for number, _ in its if number not in made.bad}
        else:
            made.events[f"till-{receipt}"] = len(its), sum(amount for _, amount in its)


def _order(recipe: Recipe) -> Iterator[tuple[int, int]]:
    """(row as people count, which of the owner's rows stands there)."""
    stride = _STRIDE if recipe.revision else 1
    for at in range(recipe.rows):
        yield at + 2, (at * stride + 17 * recipe.revision) % recipe.rows


def _fault(recipe: Recipe, index: int) -> str | None:
    if recipe.flaw == "cut":
        return None
    if recipe.dataset == "prices":
        return "type" if recipe.flaw == "spoiled" and index in (1, recipe.rows // 2, recipe.rows - 1) else None
    drawn = crc32(f"bad {recipe.dataset} {recipe.owner} {recipe.revision} {index}".encode())
    faults = ("type", "required", "readable") if recipe.dataset == "sales" else ("type", "required", "readable", "min")
    return faults[drawn // 997 % len(faults)] if drawn % 997 == 0 else None


class Plan:
    """Which file is sent next. `over`: says the names of files that are worked off."""

    def __init__(self, seed: int, rows: int, over: Callable[[], Container[object]]) -> None:
        self._random = Random(seed)  # noqa: S311 - an attack must be repeatable
        self._rows = rows
        self._over = over
        self._last = dict[tuple[str, int], Recipe]()
        self._datasets: Sequence[str] = list(HEADERS)
        self._lock = Lock()
        self._number = 0

    @contextmanager
    def only(self, datasets: Sequence[str]) -> Generator[None]:
        """Of these alone, for as long as the block lasts."""
        self._datasets = datasets
        try:
            yield
        finally:
            self._datasets = list(HEADERS)

    def next(self) -> Recipe:
        """Of a known owner, or of a new one."""
        with self._lock:
            self._number += 1
            datasets = self._datasets
            dataset = self._random.choices(datasets, [_SHARES[one] for one in datasets])[0]
            over = self._over()
            known = [
                last
                for (of, _), last in self._last.items()
                if of == dataset and (of == "sales" or last.filename in over)
            ]
            again = self._random.choice(known) if known and self._random.random() < 0.6 else None
            recipe = self._of(dataset, again)
            self._last[dataset, recipe.owner] = recipe
            return recipe

    def _of(self, dataset: str, again: Recipe | None) -> Recipe:
        make_one = partial(Recipe, self._number, dataset)
        rows = self._rows // 2 if dataset == "prices" else self._rows
        flaw = self._random.choice(FLAWS[dataset])
        if again is None:
            return make_one(self._next_tenant(dataset), self._number, 0, rows, flaw)
        return make_one(again.tenant, again.owner, again.revision + 1, rows, flaw)

    def _next_tenant(self, dataset: str) -> str:
        """In turn: of few owners, too, some are everybody's."""
        return TENANTS[sum(of == dataset for of, _ in self._last) % len(TENANTS)]
