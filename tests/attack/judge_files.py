"""The judge of deliveries: holds what the senders were told, and what their files say, against tables and raw zone.

Each check says what is wrong, in words. test_judge_files.py plants a violation of each.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

import psycopg

from tests.attack.recipes import Made, Recipe, Row, make
from tests.attack.senders import Book

_SHOWN = 5
_READ_ONLY = 0o444
_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z]+)+")
_EXPECTED = """
CREATE TEMP TABLE expected (dataset text, tenant_id text COLLATE "C", sku text COLLATE "C", qty bigint, price numeric,
  day date, note text, ingestion_id uuid, sha256 bytea, row_number bigint)"""
_ROWS_OFF = """
SELECT tenant_id, sku, to_json(e), to_json(c) FROM (SELECT * FROM expected WHERE dataset = '{0}') AS e
FULL JOIN files.curated_{0} AS c USING (tenant_id, sku)
WHERE (e.qty, e.price, e.day, e.note, e.ingestion_id, e.sha256, e.row_number)
  IS DISTINCT FROM (c.qty, c.price, c.day, c.note, c._ingestion_id, c._source_sha256, c._row_number) LIMIT {1}"""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery, and what must have come of it; `made` without its body and rows."""

    recipe: Recipe
    ingestion_id: str
    sha256: bytes
    size: int
    made: Made


@dataclass(slots=True)
class Case:
    """What the judge goes by. `arrivals`: how many deliveries bring an event; `events`: its lines and its total."""

    deliveries: list[Delivered] = field(default_factory=list[Delivered])
    arrivals: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    events: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict[tuple[str, str], tuple[int, int]])


def opened(superuser: psycopg.Connection, book: Book) -> Case:
    """Make every file anew, and merge those of tables as their senders mean it: into a table of this session."""
    case, owners = Case(), defaultdict[tuple[str, int], list[Recipe]](list)
    for recipe in book.recipes.values():
        owners[recipe.dataset, recipe.owner].append(recipe)
    superuser.execute(_EXPECTED.encode())
    for recipes in owners.values():
        _merge(superuser, case, book, sorted(recipes, key=lambda recipe: recipe.revision))
    return case


def faults_of_files(superuser: psycopg.Connection, book: Book) -> list[str]:
    """Everything that is wrong with what was delivered, in words."""
    case = opened(superuser, book)
    return [*faults_of_book(book), *faults_of_case(superuser, case)]


def faults_of_case(superuser: psycopg.Connection, case: Case) -> list[str]:
    """What is wrong in the tables."""
    return [f"{name}: {what}" for name in FILE_CHECKS for what in broken_files(superuser, case, name)]


def broken_files(superuser: psycopg.Connection, case: Case, name: str) -> list[str]:
    """What one check finds, the first few."""
    found = FILE_CHECKS[name](superuser, case)
    return [what for what, _ in zip(found, range(_SHOWN), strict=False)]


def faults_of_book(book: Book) -> list[str]:
    """What no sender may be told: of one file, two deliveries; of its bytes, others than it sent."""
    found = [f"an answer that no sender should get: {odd}" for odd in book.odd]
    for number, acks in book.acks.items():
        if len({ack.ingestion_id for ack in acks}) > 1 or sum(not ack.duplicate for ack in acks) > 1:
            found.append(f"one file, several deliveries: {number} {acks}")
    return found + [f"never received: {number}" for number in book.recipes if not book.acks[number]]


def _merge(superuser: psycopg.Connection, case: Case, book: Book, recipes: list[Recipe]) -> None:
    stand = dict[str, tuple[Row, str, bytes, int]]()
    for recipe in recipes:
        made, told = make(recipe), book.acks[recipe.number][0].ingestion_id
        digest = made.sha256
        for sku, (number, row) in made.rows.items():
            stand[sku] = row, told, digest, number
        for event_id, what in made.events.items():
            case.arrivals[recipe.tenant, event_id] += 1
            case.events[recipe.tenant, event_id] = what
        size, made.body, made.rows = len(made.body), b"", {}
        case.deliveries.append(Delivered(recipe, told, digest, size, made))
    with superuser.cursor() as cursor, cursor.copy("COPY expected FROM STDIN") as copy:
        for sku, (row, told, digest, number) in stand.items():
            copy.write_row((recipes[0].dataset, recipes[0].tenant, sku, *row, told, digest, number))


def _ended_as_they_should(superuser: psycopg.Connection, case: Case) -> Iterator[str]:
    sql = """
    SELECT ingestion_id::text, tenant_id, dataset, filename, sha256, size_bytes, status, reason_code, rows_in, rows_ok,
      rows_bad, contract_version FROM files.ingestions"""
    there = {row[0]: row[1:] for row in superuser.execute(sql).fetchall()}
    for of in case.deliveries:
        recipe, made = of.recipe, of.made
        status = "succeeded" if made.reason is None else "quarantined"
        bad = len(made.bad)
        rows = (made.rows_in, made.rows_in - bad if made.reason is None else 0, bad)
        head = (recipe.tenant, recipe.dataset, recipe.filename, of.sha256, of.size)
        row = there.pop(of.ingestion_id, None)
        if row is None or recipe.flaw == "cut":  # of which some rows may have been read
            rows = (0, 0, 0) if row is None else row[7:10]
        if row != (*head, status, made.reason, *rows, 1):
            yield f"{recipe} stands as {row}"
    yield from (f"nobody sent {row}" for row in there.values())


def _bad_rows_once(superuser: psycopg.Connection, case: Case) -> Iterator[str]:
    kept = defaultdict[str, dict[int, str]](dict)
    sql = """
    SELECT ingestion_id::text, row_number, concat(faults->0->>'rule', faults->1->>'rule') FROM files.bad_rows"""
    for ingestion_id, number, rule in superuser.execute(sql).fetchall():
        kept[ingestion_id][number] = rule
    for of in case.deliveries:
        held = kept.pop(of.ingestion_id, {})
        if held != of.made.bad:
            off = sorted(held.items() ^ of.made.bad.items())
            yield f"{of.recipe}: {len(held)} kept, {len(of.made.bad)} are bad; such as {off[:_SHOWN]}"
    yield from (f"bad rows of nobody's delivery {name}" for name in kept)


def _rows_as_merged(superuser: psycopg.Connection, _: Case) -> Iterator[str]:
    superuser.execute("ANALYZE expected")
    for dataset in ("stock", "prices"):
        yield from map(str, superuser.execute(_ROWS_OFF.format(dataset, _SHOWN).encode()).fetchall())


def _arrivals_once(superuser: psycopg.Connection, case: Case) -> Iterator[str]:
    sql = "SELECT tenant_id, event_id, count(*) FROM bronze.events_raw WHERE door = 'file' GROUP BY 1, 2"
    kept = Counter({(tenant, event_id): times for tenant, event_id, times in superuser.execute(sql).fetchall()})
    for key in kept.keys() | case.arrivals.keys():
        if kept[key] != case.arrivals[key]:
            yield f"{key} arrived {kept[key]} times, in {case.arrivals[key]} deliveries"


def _outcomes_counted(superuser: psycopg.Connection, case: Case) -> Iterator[str]:
    sql = """
    SELECT ingestion_id::text, events_done, coalesce(outcomes, '{}')::jsonb FROM files.ingestions WHERE dataset = 'sales'"""
    there = {row[0]: row[1:] for row in superuser.execute(sql).fetchall()}
    first = Counter[str]()
    for of in case.deliveries:
        if of.recipe.dataset == "sales":
            done, outcomes = there.get(of.ingestion_id, (0, {}))
            first.update(outcomes)
            if done != len(of.made.events) or done != sum(outcomes.values()):
                yield f"{of.recipe}: {done} sent, {outcomes}, {len(of.made.events)} whole receipts"
    due = {"processed": len(case.events), "duplicate": case.arrivals.total() - len(case.events)}
    if +first != +Counter(due):
        yield f"in all {dict(first)}, should be {due}"


def _posted_as_delivered(superuser: psycopg.Connection, case: Case) -> Iterator[str]:
    sql = "SELECT tenant_id, event_id, lines, (total * 100)::bigint FROM silver.transactions"
    posted = {
        (tenant, event_id): (lines, cents) for tenant, event_id, lines, cents in superuser.execute(sql).fetchall()
    }
    for key in posted.keys() | case.events.keys():
        if posted.get(key) != case.events.get(key):
            yield f"{key} is posted as {posted.get(key)}, is {case.events.get(key)}"


def _headers_counted(superuser: psycopg.Connection, case: Case) -> Iterator[str]:
    sql = """
    SELECT tenant_id, dataset, columns, deliveries FROM files.schema_history"""
    seen = Counter[tuple[str, str, bool]]()
    for tenant, dataset, columns, deliveries in superuser.execute(sql).fetchall():
        seen[tenant, dataset, "colour" in columns] += deliveries
    read = superuser.execute("SELECT ingestion_id::text FROM files.ingestions WHERE drift IS NOT NULL").fetchall()
    due = Counter(
        (of.recipe.tenant, of.recipe.dataset, of.made.drifted)
        for of in case.deliveries
        if of.recipe.flaw != "cut" or (of.ingestion_id,) in read
    )
    for key in seen.keys() | due.keys():
        if seen[key] != due[key]:
            yield f"{key} seen {seen[key]} times, delivered {due[key]} times"


FILE_CHECKS: dict[str, Callable[[psycopg.Connection, Case], Iterable[str]]] = {
    "what was received is recorded, and ended as its file says": _ended_as_they_should,
    "bad rows are kept, each once": _bad_rows_once,
    "the tables hold each key once, as it was merged": _rows_as_merged,
    "an event arrived once from each delivery of it": _arrivals_once,
    "what became of events is counted": _outcomes_counted,
    "receipts are posted as delivered": _posted_as_delivered,
    "each header is counted once a delivery": _headers_counted,
}


@dataclass(frozen=True, slots=True)
class _Sight:
    """A file of the raw zone, as it must stay."""

    inode: int
    modified: int
    size: int
    mode: int


class ZoneWatch:
    """Looks at the raw zone all the time: what it sees there is whole at first sight, and never another."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.faults = list[str]()
        self.seen = dict[Path, _Sight]()
        self._one_at_a_time = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ZoneWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Once."""
        with self._one_at_a_time:
            there = dict(_sights(self._root))
            for path, sight in self.seen.items():
                if there.get(path) != sight:
                    self._found(f"{path} was {sight}, and is {there.get(path)}")
            for path in there.keys() - self.seen.keys():
                if path.parent != self._root / ".incoming":
                    self._meet(path, there[path])
                elif path.suffix != ".part":
                    self._found(f"{path} is no part of a file")

    def _meet(self, path: Path, sight: _Sight) -> None:
        self.seen[path] = sight
        self._hash(path)
        if sight.mode != _READ_ONLY:
            self._found(f"{path} has mode {sight.mode:o}")

    def ended(self, superuser: psycopg.Connection) -> list[str]:
        """The last look: every byte again; all that is recorded is there, and nothing else."""
        self._stop.set()
        self._thread.join()
        self.look()
        for path in self.seen:
            self._hash(path)
        named = {self._root / path for (path,) in superuser.execute("SELECT raw_path FROM files.ingestions").fetchall()}
        return self.faults + [f"{path} is recorded or there, not both" for path in named ^ self.seen.keys()]

    def named(self, digest: bytes) -> list[Path]:
        """The files of these bytes."""
        self.look()
        return [path for path in list(self.seen) if path.name.startswith(digest.hex())]

    def _hash(self, path: Path) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _NAME.fullmatch(path.name) is None or path.name.partition(".")[0] != digest:
            self._found(f"{path} holds {digest}")

    def _found(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.look()


def _sights(root: Path) -> Iterator[tuple[Path, _Sight]]:
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):  # of what is coming in, and gone the moment after
            found = path.stat()
            if not path.is_dir():
                yield path, _Sight(found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode & 0o7777)
