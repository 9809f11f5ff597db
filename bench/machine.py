"""The machine: what it is, how fast its disk flushes, and who uses its processors."""

import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_KERNEL_THREADS = 2  # the parent of every kernel thread: writing our data back is our work too
CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds used so far: by each of our process trees, by all of ours, by everybody."""

    at: float
    trees: Mapping[str, float]
    ours: float
    everybody: float


def usage(trees: Mapping[str, int]) -> Usage:
    """How much has been used by now. `trees`: the process at the root of each tree of interest."""
    times, children = _processes()
    return Usage(
        at=time.monotonic(),
        trees={name: sum(times.get(pid, 0.0) for pid in _tree(root, children)) for name, root in trees.items()},
        ours=sum(times.get(pid, 0.0) for root in (os.getpid(), _KERNEL_THREADS) for pid in _tree(root, children)),
        everybody=_busy(),
    )


def foreign_share(before: Usage, after: Usage) -> float:
    """The share of the machine that others used in between, 0 to 1; what a hypervisor took away counts as theirs."""
    others = (after.everybody - before.everybody) - (after.ours - before.ours)
    return max(0.0, others / ((after.at - before.at) * CORES))


def wait_for_quiet(most_foreign: float, seconds: float) -> None:
    """Wait until others leave the machine alone, at most so long."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        before = usage({})
        time.sleep(1)
        if foreign_share(before, usage({})) <= most_foreign:
            return


def flush_times(folder: Path, flushes: int) -> list[float]:
    """How long the disk takes to make 8 KiB durable (seconds): what every commit waits for, whoever makes it."""
    file = folder / "flush-control"
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, bytes(8192 * 16), 0)
        os.fsync(handle)
        return [_flush(handle, number % 16) for number in range(flushes)]
    finally:
        os.close(handle)
        file.unlink()


def description() -> dict[str, str | int]:
    """What a reader needs to know of the machine to place the numbers."""
    return {
        "cores": CORES,
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _flush(handle: int, page: int) -> float:
    os.pwrite(handle, os.urandom(8192), 8192 * page)
    started = time.perf_counter()
    os.fdatasync(handle)
    return time.perf_counter() - started


def _processes() -> tuple[dict[int, float], dict[int, list[int]]]:
    """Processor seconds of every process with those of its buried children, and who is whose child."""
    times: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended; its parent has its time
            continue
        pid = int(entry.name)
        times[pid] = sum(int(field) for field in fields[11:15]) / _TICK
        children.setdefault(int(fields[1]), []).append(pid)
    return times, children


def _tree(root: int, children: Mapping[int, list[int]]) -> Iterable[int]:
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _busy() -> float:
    """User, nice, system and stolen time of all processors; not interrupts, which nobody's account has."""
    fields = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]]
    return (fields[0] + fields[1] + fields[2] + fields[7]) / _TICK


def _line_of(file: str, name: str) -> str | None:
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return None
