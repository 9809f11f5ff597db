"""Rows of a received file once more: as the file has them, up to the last that is wanted, and never too much of it."""

import gzip
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import polars as pl
import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline import file_rows
from ledgersafe.pipeline.file_rows import Wanted, read_rows
from ledgersafe.storage.local import LocalZone

CSV = b"Invoice;Betrag\n7;1,5\n\n8;-2,0;more\nC9;3\n"
NOW = SystemClock()
Rows = list[tuple[int, dict[str, str | None] | None, str | None]]


class Keeper:
    """Files kept for a tenant, and their rows."""

    def __init__(self, database: Database, tenant: str, root: Path) -> None:
        self.db, self.tenant, self.root, self.zone = database, tenant, root, LocalZone(root)

    def keep(self, body: bytes, filename: str = "day.csv") -> files.IngestionName:
        """A delivery that nobody has worked through."""
        temporary, digest, ingestion_id = self.zone.temporary(), sha256(body).digest(), new_id()
        temporary.write_bytes(body)
        ending = filename[filename.index(".") :]
        raw_path = self.zone.keep(temporary, self.tenant, "shop", date(2026, 2, 25), digest, ending)
        new = files.NewIngestion(self.tenant, ingestion_id, "shop", filename, None, digest, len(body), raw_path)
        with self.db.transaction() as tx:
            files.insert_ingestion(tx, new, NOW.now(), "test").one()
        return files.IngestionName(self.tenant, UUID(ingestion_id))

    def rows(self, name: files.IngestionName, *numbers: int, start: int = 1, most: int = 50) -> Rows:
        found = read_rows(self.db, self.zone, name, Wanted(frozenset(numbers), start, most))
        return [(row.row_number, row.values, row.text) for row in found.rows]

    def refused(self, name: files.IngestionName, *numbers: int) -> tuple[str, str]:
        with pytest.raises(RequestRefused) as refusal:
            self.rows(name, *numbers)
        return refusal.value.reason.code, refusal.value.detail


@pytest.fixture
def keeper(db: Database, tenant: str, tmp_path: Path) -> Keeper:
    return Keeper(db, tenant, tmp_path)


def test_rows_are_as_the_file_has_them(keeper: Keeper) -> None:
    """By its own names and numbers, untouched; one that cannot be cut into values as it stands."""
    kept = keeper.keep(CSV)
    assert keeper.rows(kept, 5, 2) == [
        (2, {"Invoice": "7", "Betrag": "1,5"}, None),
        (5, {"Invoice": "C9", "Betrag": "3"}, None),
    ]
    assert keeper.rows(kept, 4) == [(4, None, "8;-2,0;more")]
    assert keeper.rows(kept, 1, 3, 99) == [], "its header, a blank line, and one after its end"


def test_rows_from_a_number_on(keeper: Keeper) -> None:
    few = keeper.keep(CSV)
    assert [number for number, *_ in keeper.rows(few, start=2, most=2)] == [2, 4], "also those that cannot be cut"
    kept = keeper.keep(b"a\n" + b"".join(b"%d\n" % number for number in range(2, 400_000)))
    assert keeper.rows(kept, start=3, most=2) == [(3, {"a": "3"}, None), (4, {"a": "4"}, None)]
    assert keeper.rows(kept, start=399_998) == [(number, {"a": str(number)}, None) for number in (399_998, 399_999)]


def test_it_is_read_as_its_contract_says(keeper: Keeper) -> None:
    kept = keeper.keep("a|b;c\nü;1|2\n".encode("cp437"))
    members = '{"dataset": "shop", "columns": {"a": {}}, "source": {"delimiter": "|", "encoding": "cp437"}}'
    with keeper.db.transaction() as tx:
        files.insert_contract(tx, keeper.tenant, "shop", 1, members, NOW.now(), "test", None).one()
    assert keeper.rows(kept, 2) == [(2, {"a": "ü;1", "b;c": "2"}, None)]


def _parquet(folder: Path) -> bytes:
    pl.DataFrame({"a": ["x", "y"]}).write_parquet(folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("d.csv.gz", lambda _: gzip.compress(b"a\nx\ny\n")),
        ("d.ndjson", lambda _: b'{"a": "w"}\n{"a": "x"}\n'),
        ("d.json", lambda _: b'[{"a": "w"}, {"a": "x"}]'),
        ("d.parquet", _parquet),
    ],
)
def test_of_every_format(keeper: Keeper, tmp_path: Path, filename: str, content: Callable[[Path], bytes]) -> None:
    found = keeper.rows(keeper.keep(content(tmp_path), filename), 2)
    assert found in ([(2, {"a": "x"}, None)], [(2, {"a": "y"}, None)])


def test_what_is_too_much_is_refused(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size before it is touched, by what it unpacks to, by the time it takes, and by what would be answered."""
    monkeypatch.setattr(file_rows, "MOST_BYTES", 100_000)
    plain = keeper.keep(b"a\n" + b"x\n" * 60_000)
    code, told = keeper.refused(plain, 2)
    assert (code, "120,002 bytes" in told, "/shop/2026-02-25/" in told) == ("FILE_TOO_LARGE", True, True)
    packed = keeper.keep(gzip.compress(b"a\n" + bytes(range(32, 120)) * 20_000), "big.csv.gz")
    assert keeper.refused(packed, 2)[0] == "FILE_TOO_LARGE"
    monkeypatch.setattr(file_rows, "_SECONDS", -1.0)
    slow = keeper.keep(b"a\nx\n")
    assert keeper.refused(slow, 9)[0] == "FILE_TOO_LARGE"
    assert len(keeper.rows(slow, 2)) == 1, "what is found is told, however long it took"
    monkeypatch.setattr(file_rows, "_MOST_SHOWN", 10)
    wide = keeper.keep(b"a\n" + b"y" * 9 + b"\n" + b"z" * 9 + b"\n")
    assert keeper.refused(wide, 2, 3)[0] == "FILE_TOO_LARGE"
    assert len(keeper.rows(wide, 2)) == 1


def test_what_cannot_be_read_says_why(keeper: Keeper, superuser: psycopg.Connection) -> None:
    code, told = keeper.refused(keeper.keep(b'a,b\n1,2\n"3,4\n'), 9)
    assert (code, "day.csv" in told) == ("ROWS_UNREADABLE", True)
    gone = keeper.keep(CSV)
    superuser.execute(
        "UPDATE files.ingestions SET raw_path = 'x/' || raw_path WHERE ingestion_id = %s", [gone.ingestion_id]
    )
    code, told = keeper.refused(gone, 2)
    assert (code, "not there any more" in told) == ("ROWS_UNREADABLE", True)
    assert keeper.refused(files.IngestionName("somebody-else", gone.ingestion_id), 2)[0] == "NOT_FOUND"
