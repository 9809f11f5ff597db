"""The supervisor, with real processes: it keeps them alive, ends them in time, and leaves none behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from ledgersafe.cli.supervisor import BackOff, Child, Supervisor
from ledgersafe.db.embedded import connection_of, psql_environment

# A supervisor of its own process. Its children append their pid to files named after them.
_PROGRAM = """
import sys, time
from pathlib import Path
from ledgersafe.cli.supervisor import Child, Supervisor
from ledgersafe.db.embedded import EmbeddedPostgres

folder, what = Path(sys.argv[1]), sys.argv[2:]

def child(name, code=""):
    note = "import os, pathlib, signal, subprocess, sys, time; "
    note += "file = pathlib.Path(os.environ['FOLDER']) / os.environ['NAME']; "
    note += "file.open('a').write(str(os.getpid()) + chr(10)); "
    return Child(name, (sys.executable, "-c", note + code + "time.sleep(600)"), {"FOLDER": str(folder), "NAME": name})

children = [child("first"), child("second")]
if "deaf" in what:
    children.append(child("deaf", "signal.signal(signal.SIGTERM, signal.SIG_IGN); "))
if "parent" in what:
    sleeper = "sleeper = subprocess.Popen(['sleep', '600']); file.open('a').write(str(sleeper.pid) + chr(10)); "
    children.append(child("parent", sleeper))

def prepare(urls):
    (folder / "prepared").write_text("with" if urls else "without")
    if "slow" in what:
        time.sleep(600)
    if "broken" in what:
        raise RuntimeError("the hook failed")

postgres = EmbeddedPostgres(folder / "data") if "postgres" in what else None
sys.exit(Supervisor(children, postgres, prepare=prepare, started=(folder / "started").touch).run())
"""


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def eventually(happened: Callable[[], bool], seconds: float = 15) -> bool:
    give_up = time.monotonic() + seconds
    while not happened() and time.monotonic() < give_up:
        time.sleep(0.02)
    return happened()


class Up:
    """A running supervisor and what is known of its processes."""

    def __init__(self, folder: Path, *what: str) -> None:
        self.folder = folder
        command = [sys.executable, "-c", _PROGRAM, str(folder), *what]
        self.log = (folder / "log").open("w+b")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def lives(self, name: str) -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            return [int(line) for line in (self.folder / name).read_text().split()]
        return []

    def is_started(self, *names: str) -> bool:
        return eventually(lambda: (self.folder / "started").exists() and all(self.lives(name) for name in names))

    def postmaster(self) -> int:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.folder / "data/postgres/postmaster.pid").read_text().split("\n")[0])
        return 0

    def remains(self) -> list[int]:
        """Processes that name our folder in their command line or environment, or work below it."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                works_in = str((entry / "cwd").readlink())
                if (bytes(self.folder) in words or works_in.startswith(str(self.folder))) and is_alive(int(entry.name)):
                    found.append(int(entry.name))
        return found

    def ends(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send the signal; the seconds until it has ended. It may take ten."""
        begin = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(12)
        return time.monotonic() - begin

    def said(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def up(tmp_path) -> Iterator[Callable[..., Up]]:
    made: list[Up] = []

    def start(*what: str) -> Up:
        made.append(Up(tmp_path, *what))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()
        one.log.close()
        eventually(lambda one=one: not one.remains(), 5)
        for pid in one.remains():
            os.kill(pid, signal.SIGKILL)
        if urls := connection_of(one.folder / "data"):  # a killed one cannot remove its socket folder
            rmtree(psql_environment(urls.app)["PGHOST"], ignore_errors=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything(up, number):
    one = up("parent")
    assert one.is_started("first", "second", "parent"), one.said()
    assert eventually(lambda: len(one.lives("parent")) == 2)
    assert one.ends(number) < 3
    assert one.process.returncode == 0, one.said()
    assert one.remains() == []
    assert not is_alive(one.lives("parent")[1]), "the child's own child"


def test_a_dead_child_is_started_again_and_its_neighbour_is_left_alone(up):
    one = up()
    assert one.is_started("first", "second"), one.said()
    for life in range(1, 3):
        os.kill(one.lives("first")[-1], signal.SIGKILL)
        assert eventually(lambda life=life: len(one.lives("first")) == life + 1)
    assert len(one.lives("second")) == 1
    assert is_alive(one.lives("second")[0])
    assert one.said().count("again_in_seconds") == 2


def test_a_child_that_does_not_listen_is_killed_in_time(up):
    one = up("deaf")
    assert one.is_started("deaf"), one.said()
    assert 3.5 < one.ends() < 10
    assert one.process.returncode == 0, one.said()
    assert one.remains() == []
    assert "deaf" in one.said()


def test_postgres_is_started_again_and_the_children_carry_on(up):
    one = up("postgres")
    assert one.is_started("first", "second"), one.said()
    assert (one.folder / "prepared").read_text() == "with"
    server = one.postmaster()
    os.kill(server, signal.SIGKILL)
    assert eventually(lambda: one.postmaster() not in (0, server) and is_alive(one.postmaster()))
    assert eventually(lambda: one.said().count("postgres") >= 3)
    assert [len(one.lives(name)) for name in ("first", "second")] == [1, 1]
    assert is_alive(one.lives("first")[0])
    assert one.ends() < 10
    assert one.process.returncode == 0, one.said()
    assert one.remains() == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of a parent's death on Linux only")
def test_a_killed_supervisor_leaves_nothing(up):
    one = up("postgres")
    assert one.is_started("first", "second"), one.said()
    server = one.postmaster()
    one.ends(signal.SIGKILL)
    assert eventually(lambda: not is_alive(server) and one.remains() == [], 10), one.remains()


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.7])
def test_a_signal_during_the_start_ends_it(up, seconds):
    one = up("postgres")
    assert eventually(lambda: (one.folder / "data").exists())
    time.sleep(seconds)
    assert one.ends() < 10
    assert one.process.returncode == 0, one.said()
    assert one.remains() == []


def test_a_signal_while_preparing_ends_it(up):
    one = up("postgres", "slow")
    assert eventually((one.folder / "prepared").exists)
    assert one.ends() < 10
    assert one.process.returncode == 0, one.said()
    assert one.remains() == []
    assert not one.lives("first")


def test_a_hook_that_fails_fails_the_start_and_leaves_nothing(up):
    one = up("postgres", "broken")
    assert one.process.wait(15) == 1
    assert "the hook failed" in one.said()
    assert one.remains() == []
    assert not one.lives("first")


def test_a_program_that_is_missing_is_tried_again_and_does_not_disturb(tmp_path):
    note = tmp_path / "note"
    good = Child("good", (sys.executable, "-c", f"open({json.dumps(str(note))}, 'w'); import time; time.sleep(600)"))
    supervisor = Supervisor([Child("missing", ("/no/such/program",)), good], prepare=None)
    calls = iter(range(100))
    process = supervisor._processes[0]
    tend = process.tend

    def tend_and_stop() -> None:
        tend()
        if next(calls) > 5 and note.exists():
            supervisor.request_stop()

    process.tend = tend_and_stop  # type: ignore[method-assign]
    assert supervisor.run() == 0
    assert note.exists()


def test_environment_and_commands_are_not_shown():
    assert repr(Child("api", ("serve", "--key=k"), {"KEY": "k"})) == "Child(name='api')"


def test_waits_double_to_a_cap_and_begin_anew_after_a_long_life():
    back_off, now, waits = BackOff(), 100.0, []
    for life in (1, 1, 1, 1, 1, 1, 1, 29, 31, 1):
        back_off.started(now)
        assert not back_off.is_waiting
        now += life
        waits.append(back_off.ended(now))
        assert back_off.is_waiting
        assert not back_off.is_due(now)
        assert back_off.is_due(now + waits[-1])
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 0.2, 0.4]
