"""A disk that is full: nothing is acknowledged that is not kept, and when there is room it goes on."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from ledgersafe.db.embedded import EmbeddedPostgresError
from tests.attack.clients import Log
from tests.attack.outage import PATIENCE, Scene
from tests.attack.stand import FULL, Stand, eventually, fresh_seed, standing

DISK_MEGABYTES = 256
ROUNDS = 10 if FULL else 2
FULL_SECONDS = 4.0

pytestmark = [
    pytest.mark.attack,
    pytest.mark.timeout(600),
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-o", f"size={DISK_MEGABYTES}m,mode=755"]
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", disk], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture
def stand(small_disk: Path, tmp_path: Path) -> Iterator[Stand]:
    with standing(small_disk, logs=tmp_path, apis=2, statement_timeout_seconds=str(PATIENCE)) as made:
        yield made


def test_a_full_disk(stand: Stand, small_disk: Path) -> None:
    """In turn: there is no room for rows, and none for the server's own log, whereupon it panics and may end."""
    seed, log = fresh_seed(), Log()
    ends = 0
    for number in range(ROUNDS):
        scene = Scene(stand, log, seed + number, f"full-{number}")
        with scene.load():
            filler = small_disk / "filler"
            fill(filler)
            refused = log.unsure["503"] + log.unsure["503 of an item"]
            eventually(lambda refused=refused: log.unsure["503"] + log.unsure["503 of an item"] > refused, 60)
            if number % 2:
                use_up_the_log(stand)
            time.sleep(FULL_SECONDS)
            assert all(scene.get("/livez", port).status_code == 200 for port in stand.ports)
            filler.unlink()
            ends += started_if_it_ended(stand)
            scene.comes_back(10)
    said = (stand.folder / "data" / "postgres.log").read_text()
    assert "No space left on device" in said
    print(f"the server ended {ends} times in {ROUNDS} rounds")
    assert "was not properly shut down" in said, "it was to panic; that itself found no room in its own log"


def fill(file: Path) -> None:
    """Take all that is left."""
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(65536))


def use_up_the_log(stand: Stand) -> None:
    """Begin segments of the write-ahead log until there is no room for one: Postgres panics."""
    with suppress(psycopg.Error):
        for _ in range(100):
            stand.rows("SELECT pg_switch_wal(), txid_current()")


def started_if_it_ended(stand: Stand) -> bool:
    """What a supervisor does: start it again, until it runs."""
    try:
        eventually(lambda: stand.server.poll() is not None, 1)
    except AssertionError:
        return False
    for _ in range(20):
        try:
            stand.server.start()
        except EmbeddedPostgresError as error:
            print(error)
            time.sleep(0.5)
        else:
            break
    return True
