"""Commands that start warm: hundreds are run, and most of what each takes is the loading of the same libraries.

`warm_environment` is put into the environment of processes; nursery.py and sitecustomize.py tell what it does there.
"""

import os
import secrets
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.warm.sitecustomize import NURSERY

_FOLDER = Path(__file__).parent


def warm_environment() -> dict[str, str]:
    """The variables that make commands forks of the nursery of this process; none where the system is not Linux."""
    if sys.platform != "linux":
        return {}
    path = os.environ.get("PYTHONPATH")
    return {NURSERY: _nursery(), "PYTHONPATH": f"{_FOLDER}{os.pathsep}{path}" if path else str(_FOLDER)}


def cold(environment: dict[str, str]) -> dict[str, str]:
    """The same environment for processes that start on their own, as everybody's do."""
    return environment | {NURSERY: ""}


@cache
def _nursery() -> str:
    """The address of this process's nursery, which is started at the first use and ends with this process."""
    address = f"ledgersafe-tests-{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0{address}")
        listening.listen()
        descriptor = listening.fileno()
        command = [sys.executable, str(_FOLDER / "nursery.py"), str(descriptor)]
        _started.append(subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[descriptor], start_new_session=True))
    return address


_started: list["subprocess.Popen[bytes]"] = []
"""It is ended by its standard input, which the system closes when this process ends, however it ends."""
