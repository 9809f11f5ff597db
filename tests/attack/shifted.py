"""`python -m tests.attack.shifted serve …`: the product on a machine whose clock is off, and jumps.

By how many seconds stands, as a double, in the file that ATTACK_CLOCK names; the process sees a change at once. The
monotonic clock goes on as it did, as on a real machine.
"""

import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

_SECONDS = struct.Struct("d")


def set_clock(file: Path, seconds: float) -> None:
    """Have the clock of the processes that look at this file be off by so much."""
    if not file.exists():
        file.write_bytes(_SECONDS.pack(0.0))
    with file.open("r+b") as out:
        out.write(_SECONDS.pack(seconds))


def shift_the_clock(file: Path) -> None:
    """For this process, from now on."""
    import uuid_utils

    with file.open("rb") as source:
        offset = mmap.mmap(source.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)
    true_time, true_id = time.time, uuid_utils.uuid7

    def shifted_time() -> float:
        return true_time() + _SECONDS.unpack_from(offset)[0]

    def shifted_id() -> UUID:
        return true_id(nanoseconds=int(shifted_time() * 1e9))  # type: ignore[return-value]

    _put(time, "time", shifted_time)
    _put(uuid_utils, "uuid7", shifted_id)


def _put(module: object, name: str, function: Callable[[], object]) -> None:
    setattr(module, name, function)


def main() -> None:
    """The command line of the product, on that clock."""
    shift_the_clock(Path(os.environ["ATTACK_CLOCK"]))
    from ledgersafe.cli import main as product

    product()


if __name__ == "__main__":
    main()
