"""A whole Ledgersafe for as long as a `with` block lasts: `ledgersafe up` on a free port, ended whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ledgersafe.cli.client import CliError
from ledgersafe.db.embedded import die_with_parent

_HOST = "127.0.0.1"
_READY_SECONDS = 90.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class Throwaway:
    """A running one: where it is, the key to it, and the seconds it took to start."""

    url: str
    api_key: str
    started_in: float


@contextmanager
def running(folder: Path, port: int | None = None) -> Generator[Throwaway]:
    """Start it with its data, its key and its log in `folder`; stop it on the way out.

    Raises CliError, with the end of its log, where it does not get ready.
    """
    url = f"http://{_HOST}:{port or _free_port()}"
    key_file, log_file = folder / "key", folder / "up.log"
    started = time.perf_counter()
    with log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - this very program
            _command(folder, url, key_file),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C at the terminal is for us, and we end it in order
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    try:
        _wait_until_ready(process, url, log_file)
        yield Throwaway(url, key_file.read_text(encoding="ascii").strip(), time.perf_counter() - started)
    finally:
        _stop(process)


def _command(folder: Path, url: str, key_file: Path) -> list[str]:
    port = url.rpartition(":")[2]
    arguments = ["--data", str(folder / "data"), "--port", port, "--key-file", str(key_file), "--no-console"]
    return [sys.executable, "-m", "ledgersafe", "up", *arguments]


def _environment() -> dict[str, str]:
    """Ours without the settings of the real installation: a demo must not come near its database."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LEDGERSAFE_")}


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise CliError(f"`ledgersafe up` ended with {process.returncode}:\n{_end_of(log_file)}")
            try:
                if client.get(f"{url}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass  # nobody listens yet
            time.sleep(_POLL_SECONDS)
    raise CliError(f"`ledgersafe up` was not ready after {_READY_SECONDS:g} seconds:\n{_end_of(log_file)}")


def _end_of(log_file: Path) -> str:
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM ends it in order. SIGKILL, should that not help, ends it with what is left of its process group."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
