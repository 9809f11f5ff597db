"""The raw zone keeps whole files, once, and for ever: a folder, and an object store."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep

import pytest
from obstore.store import LocalStore, MemoryStore

from ledgersafe.storage import objects
from ledgersafe.storage.local import LocalZone
from ledgersafe.storage.objects import ObjectZone, UnusableStore, open_zone
from ledgersafe.storage.zone import RawZone, ZoneDamaged, ZoneUnavailable

DAY = date(2026, 2, 25)
BYTES = b"sku,qty\nA,1\n"

MAKERS: dict[str, Callable[[Path], RawZone]] = {
    "folder": lambda folder: LocalZone(folder / "raw"),
    "memory": lambda folder: ObjectZone(MemoryStore(), folder / "incoming"),
    "store": lambda folder: ObjectZone(LocalStore(folder / "bucket", mkdir=True), folder / "incoming"),
}


@pytest.fixture(params=MAKERS)
def zone(request: pytest.FixtureRequest, tmp_path: Path) -> RawZone:
    return MAKERS[request.param](tmp_path)


def keep(zone: RawZone, data: bytes = BYTES, tenant: str = "shop", named: bytes | None = None) -> str:
    temporary = zone.temporary()
    temporary.write_bytes(data)
    return zone.keep(temporary, tenant, "sales", DAY, named or sha256(data).digest(), ".csv")


def content(zone: RawZone, raw_path: str) -> bytes:
    with zone.open_local(raw_path) as path:
        assert path.name.endswith(".csv")
        return path.read_bytes()


def test_what_is_kept_is_found_again(zone: RawZone, tmp_path: Path) -> None:
    raw_path = keep(zone)
    assert raw_path == f"shop/sales/2026-02-25/{sha256(BYTES).hexdigest()}.csv"
    assert content(zone, raw_path) == BYTES
    assert [zone.has(path) for path in (raw_path, raw_path.replace("shop", "other"))] == [True, False]
    assert keep(zone) == raw_path
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize("tenant", ["..", ".", "a/b", "../../etc", "ü" * 255, "x" * 255, "a b%2Fc\\d", "~"])
def test_no_tenant_leads_anywhere_else(zone: RawZone, tenant: str, tmp_path: Path) -> None:
    raw_path = keep(zone, tenant=tenant)
    folder, *rest = raw_path.split("/")
    assert len(rest) == 3
    assert len(folder) < 255
    assert "." not in folder
    assert content(zone, raw_path) == BYTES
    assert {path.name for path in tmp_path.iterdir()} <= {"raw", "bucket", "incoming"}


def test_tenants_have_folders_of_their_own(zone: RawZone) -> None:
    tenants = ["a/b", "a%2Fb", "a", "x" * 201, "x" * 202, "ü" * 100, "ü" * 101]
    assert len({keep(zone, tenant=tenant) for tenant in tenants}) == len(tenants)


def test_other_bytes_are_never_put_in_place_of_what_is_there(zone: RawZone) -> None:
    raw_path = keep(zone)
    with suppress(ZoneDamaged):  # a store that can, says so
        keep(zone, b"others altogether", named=sha256(BYTES).digest())
    assert content(zone, raw_path) == BYTES


def test_a_file_that_was_changed_behind_our_back_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "raw" / keep(LocalZone(tmp_path / "raw"))
    path.chmod(0o644)
    path.write_bytes(BYTES.swapcase())
    with pytest.raises(ZoneDamaged, match="does not hold"):
        keep(LocalZone(tmp_path / "raw"))


def test_many_at_once_keep_one(zone: RawZone) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: keep(zone), range(24)))
    assert len(found) == 1
    assert content(zone, found.pop()) == BYTES


def test_what_is_gone_is_told(zone: RawZone) -> None:
    with pytest.raises(ZoneDamaged, match="not there"), zone.open_local("shop/sales/2026-02-25/00.csv"):
        pass


def test_files_of_the_folder_are_read_only(tmp_path: Path) -> None:
    path = tmp_path / "raw" / keep(LocalZone(tmp_path / "raw"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert path.stat().st_nlink == 1


def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file in the way")
    with pytest.raises(ZoneUnavailable):
        LocalZone(tmp_path / "raw").temporary()


def test_what_the_store_changed_is_not_taken_for_the_file(tmp_path: Path) -> None:
    zone = MAKERS["store"](tmp_path)
    raw_path = keep(zone)
    (tmp_path / "bucket" / raw_path).write_bytes(BYTES.swapcase())
    with pytest.raises(ZoneDamaged, match="does not hold"):
        content(zone, raw_path)


def test_large_files_go_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_IN_ONE_REQUEST", 1_000_000)
    zone, data = MAKERS["store"](tmp_path), os.urandom(20_000_000)
    raw_path = keep(zone, data)
    assert keep(zone, data) == raw_path
    assert content(zone, raw_path) == data
    with pytest.raises(ZoneDamaged):
        keep(zone, data[:-1], named=sha256(data).digest())


def test_what_dead_processes_left_is_swept(zone: RawZone) -> None:
    old, fresh = zone.temporary(), zone.temporary()
    os.utime(old, (1, 1))
    zone.temporary().unlink()
    assert not old.exists()
    assert fresh.exists()
    fresh.unlink()


@pytest.mark.parametrize("url", ["az://container/folder", "s3://", "nowhere://x"])
def test_an_address_that_leads_to_no_store(url: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableStore):
        open_zone(url, tmp_path)


_ENDLESS = """
import sys
from hashlib import sha256
from datetime import date
from pathlib import Path
from ledgersafe.storage.local import LocalZone
zone = LocalZone(Path(sys.argv[1]))
for number in range(10**9):
    data = b"%d\\n" % number * 200_000
    temporary = zone.temporary()
    with temporary.open("wb") as file:
        for at in range(0, len(data), 4096):
            file.write(data[at : at + 4096])
            file.flush()
    zone.keep(temporary, "shop", "sales", date(2026, 2, 25), sha256(data).digest(), ".csv")
    print(number, flush=True)
"""


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9])
def test_a_kill_leaves_no_half_file(tmp_path: Path, fraction: float) -> None:
    """At some part of the time that one file takes."""
    process = subprocess.Popen([sys.executable, "-c", _ENDLESS, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(5):
        before = monotonic()
        process.stdout.readline()
    sleep((monotonic() - before) * fraction)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = list((tmp_path / "shop").rglob("*.csv"))
    assert len(kept) >= 5
    assert all(path.stem == sha256(path.read_bytes()).hexdigest() for path in kept)
