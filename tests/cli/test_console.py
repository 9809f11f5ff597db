"""`ledgersafe console`, and the console that `ledgersafe up` starts: real processes, and what is told of bad ports."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.conftest import PLAIN, clean_environment, free_port, stop

_NO_STREAMLIT = "import sys; sys.modules['streamlit'] = None; from ledgersafe.cli import main; main()"


@contextmanager
def taken() -> Generator[str]:
    """A port at which somebody listens."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        yield str(somebody.getsockname()[1])


def fails(*command: str, **settings: str) -> str:
    """What a command that cannot start says, within seconds and without a stack trace."""
    environment = clean_environment() | settings
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (1, "", False), done.stderr
    return done.stderr


def eventually(happened: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, **PLAIN).status_code == 200
    except httpx.HTTPError:
        return False


def listens(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_a_port_that_cannot_be_had() -> None:
    with taken() as port:
        told = fails("-m", "ledgersafe", "console", "--port", port)
    assert f"Port {port} on 127.0.0.1 cannot be had" in told
    assert "--port" in told
    assert "cannot be had" in fails("-m", "ledgersafe", "console", "--host", "203.0.113.1")
    assert "no address of this machine" in fails("-m", "ledgersafe", "console", "--host", "no.such.host.invalid")


def test_an_api_that_cannot_be_one() -> None:
    told = fails("-m", "ledgersafe", "console", "--port", str(free_port()), LEDGERSAFE_URL="localhost:8000")
    assert "The address of the API is 'localhost:8000'" in told


def test_without_its_extra() -> None:
    """The console says what is missing."""
    assert "pip install 'ledgersafe[console]'" in fails("-c", _NO_STREAMLIT, "console", "--port", str(free_port()))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - in a container it listens for all
def test_a_console_ends_when_it_is_told_to(host: str, tmp_path: Path) -> None:
    """It needs no API to start, and it writes nothing of those who look."""
    port, log = str(free_port()), tmp_path / "log"
    command = [sys.executable, "-m", "ledgersafe", "console", "--host", host, "--port", port]
    nowhere = {"HOME": "/nonexistent", "LEDGERSAFE_URL": f"http://127.0.0.1:{free_port()}"}
    with log.open("wb") as written:
        process = subprocess.Popen(command, env=clean_environment() | nowhere, stdout=written, stderr=written)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/livez"), "the console did not come up")
        assert httpx.get(f"http://127.0.0.1:{port}/exceptions?text=secret", **PLAIN).status_code == 401
        process.terminate()
        assert process.wait(10) in (0, -signal.SIGTERM)
    finally:
        stop(process)
    assert log.read_bytes() == b""


def test_up_starts_a_console(tmp_path: Path) -> None:
    """One command: both answer, the key that was written opens the console, and the end of one is the end of all."""
    port, console_port = str(free_port()), str(free_port())
    log = tmp_path / "log"
    command = [sys.executable, "-m", "ledgersafe", "up", "--no-worker", "--data", str(tmp_path / "data")]
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*command, "--port", port, "--console-port", console_port],
            env=clean_environment(),
            stdout=written,
            stderr=written,
        )
    try:
        console = f"http://127.0.0.1:{console_port}"
        eventually(lambda: answers(f"http://127.0.0.1:{port}/readyz") and answers(f"{console}/livez"), "not up")
        said = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        assert next(one["console"] for one in said if one["event"] == "up") == console
        key = (tmp_path / "data" / "key").read_text().strip()
        assert httpx.post(f"{console}/sign-in", data={"key": key}, **PLAIN).status_code == 303
        assert key not in log.read_text()
    finally:
        stop(process)
    assert not listens(console_port)
    assert not listens(port)


def test_up_where_the_port_of_the_console_is_taken(tmp_path: Path) -> None:
    """It is told before anything is started, with the option that helps."""
    up = ("-m", "ledgersafe", "up", "--data", str(tmp_path / "data"), "--port")
    with taken() as port:
        told = fails(*up, str(free_port()), "--console-port", port)
        assert f"Port {port} on 127.0.0.1 cannot be had" in told
        assert "--console-port" in told
        assert "--no-console" in told
        assert not (tmp_path / "data").exists()
    assert "cannot share port" in fails(*up, port, "--console-port", port)
