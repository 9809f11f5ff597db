"""A command that starts warm cannot be told from one that starts on its own, but for the time it takes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import clean_environment
from tests.warm import _started, cold

SCRIPT = Path(sys.executable).with_name("ledgersafe")
# Reads its input to the end before it asks the API for anything.
READS = [sys.executable, "-m", "ledgersafe", "events", "send", "-"]


def forks() -> set[int]:
    nursery = _started[0].pid
    return {int(pid) for pid in Path(f"/proc/{nursery}/task/{nursery}/children").read_text().split()}


def warm() -> dict[str, str]:
    environment = clean_environment()
    if not _started:
        pytest.skip("commands start warm on Linux only")
    return environment


@pytest.mark.parametrize("command", [[sys.executable, "-m", "ledgersafe"], [str(SCRIPT)]], ids=["module", "script"])
@pytest.mark.parametrize("words", [["--version"], ["exceptions", "lst"], ["health"]], ids=lambda words: words[0])
def test_words_and_codes_are_the_same(command: list[str], words: list[str], tmp_path: Path) -> None:
    environment = warm() | {"LEDGERSAFE_URL": "http://127.0.0.1:9", "COLUMNS": "70"}
    ended = [
        subprocess.run([*command, *words], env=each, cwd=tmp_path, capture_output=True, text=True, check=False)
        for each in (environment, cold(environment))
    ]
    first, second = ((done.returncode, done.stdout, done.stderr) for done in ended)
    assert first == second


def test_a_command_is_a_fork_that_hears_signals(tmp_path: Path) -> None:
    process, fork = reading(tmp_path)
    with process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
        assert fork not in forks()


def test_who_kills_the_command_kills_the_fork(tmp_path: Path) -> None:
    process, fork = reading(tmp_path)
    with process:
        process.kill()
        process.wait()
        until(lambda: fork not in forks())


def reading(folder: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """A command that waits for its input, and its fork: not one of an earlier command, which may just be ending."""
    environment = warm()
    before = forks()
    process = subprocess.Popen(READS, env=environment, cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    until(lambda: bool(forks() - before))
    (fork,) = forks() - before
    return process, fork


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)
