"""A file is kept, then recorded, once: whoever brings it, however often, and however many at a time."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from ledgersafe.db.database import Database
from ledgersafe.files.store import Chosen
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import land
from ledgersafe.pipeline.keys import OWNER
from ledgersafe.pipeline.land import Announced
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.storage.local import LocalZone
from tests.conftest import TestDatabase

MOST = 1_000_000_000
BY = Operator(OWNER, datetime(2026, 2, 25, tzinfo=UTC), 600)
CSV = b"sku,qty\n" + b"A,1\n" * 100_000


def deliver(database: Database, root: Path, path: Path, filename: str = "day.csv") -> land.Landed:
    return land.land_path(database, LocalZone(root), path, Announced("shop", "sales", filename), MOST, BY)


def kept(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and ".incoming" not in path.parts]


def one_of_two(of: TestDatabase, root: Path, path: Path, barrier: Barrier) -> tuple[str, bool]:
    database = of.open(size=2)
    try:
        barrier.wait(30)
        landed = deliver(database, root, path)
        return str(landed.ingestion.ingestion_id), landed.duplicate
    finally:
        database.close()


def test_two_processes_that_deliver_one_file_at_once(test_database: TestDatabase, tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool, context.Manager() as manager:
        barrier = manager.Barrier(2)
        for at in range(6):
            path.write_bytes(CSV + b"B,%d\n" % at)
            work = [(test_database, tmp_path / "raw", path, barrier)] * 2
            found = pool.starmap(one_of_two, work, chunksize=1)
            assert len({ingestion_id for ingestion_id, _ in found}) == 1
            assert sorted(duplicate for _, duplicate in found) == [False, True]
    assert len(kept(tmp_path / "raw")) == 6


def test_a_file_that_grows_while_it_is_read(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "grows.csv"
    writing = "import sys\nwith open(sys.argv[1], 'ab', 0) as f:\n    while True: f.write(b'A,1\\n' * 1000)"
    process = subprocess.Popen([sys.executable, "-c", writing, str(path)])
    try:
        while not path.exists() or path.stat().st_size < 2_000_000:
            time.sleep(0.01)
        with pytest.raises(RequestRefused) as refused:
            deliver(database, tmp_path / "raw", path)
    finally:
        process.kill()
        process.wait()
    assert refused.value.reason.code == "FILE_CHANGED"
    assert land.deliveries(database, "shop", Chosen(), None, 10) == []
    assert kept(tmp_path / "raw") == list((tmp_path / "raw" / ".incoming").iterdir()) == []


def test_a_path_that_was_turned_into_a_link_is_not_followed(database: Database, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_bytes(CSV)
    (tmp_path / "day.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(RequestRefused):
        deliver(database, tmp_path / "raw", tmp_path / "day.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(RequestRefused, match="FILE_CHANGED"):
        deliver(database, tmp_path / "raw", tmp_path / "pipe.csv")


def test_a_file_that_the_zone_lost_is_put_back_when_it_is_brought_again(database: Database, tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_bytes(CSV)
    first = deliver(database, tmp_path / "raw", tmp_path / "day.csv")
    (lost,) = kept(tmp_path / "raw")
    lost.unlink()
    again = deliver(database, tmp_path / "raw", tmp_path / "day.csv")
    assert (again.duplicate, again.ingestion.ingestion_id) == (True, first.ingestion.ingestion_id)
    assert kept(tmp_path / "raw") == [lost]
    assert lost.read_bytes() == CSV


_ENDLESS = """
import sys
from pathlib import Path
from ledgersafe.db.database import Database
from tests.pipeline.test_land import deliver
database = Database(sys.argv[1], size=2, role="ledgersafe_app")
folder = Path(sys.argv[2])
for number in range(10**9):
    path = folder / f"{number}.csv"
    path.write_bytes(b"n\\n" + b"%d\\n" % number * 500_000)
    deliver(database, folder / "raw", path, path.name)
    print(number, flush=True)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.013, 0.037])
def test_a_kill_leaves_no_record_without_its_file(
    test_database: TestDatabase, database: Database, tmp_path: Path, seconds: float
) -> None:
    command = [sys.executable, "-c", _ENDLESS, test_database.app_url, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    files, recorded = kept(tmp_path / "raw"), land.deliveries(database, "shop", Chosen(), None, 100)
    assert all(path.stem == sha256(path.read_bytes()).hexdigest() for path in files)
    assert {one.raw_path for one in recorded} <= {str(path.relative_to(tmp_path / "raw")) for path in files}
    assert len(files) - len(recorded) <= 1
    for one in sorted(tmp_path.glob("*.csv")):
        deliver(database, tmp_path / "raw", one, one.name)  # gone on with
    assert len(land.deliveries(database, "shop", Chosen(), None, 100)) == len(kept(tmp_path / "raw"))
