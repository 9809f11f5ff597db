"""Runs: one contender for some seconds, with what it cost; contenders in turn; again where others were too busy."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.load import Result, Spec
from bench.machine import Usage, flush_times, foreign_share, usage, wait_for_quiet
from bench.servers import Api, Postgres

MOST_FOREIGN = 0.10
"""The share of the machine that others may use during a run that counts."""
_FLUSHES = 100
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Run:
    """One contender's run. Costs are processor microseconds an event, by process tree; log_bytes are an event's too."""

    rate: float
    p50_ms: float | None
    p99_ms: float | None
    costs: Mapping[str, float]
    foreign: float
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_noisy(self) -> bool:
        """Whether others used too much of the machine for it to count by itself."""
        return self.foreign > MOST_FOREIGN


Contender = Callable[[], Run]


@dataclass(slots=True)
class Lab:
    """What every path measures with. `flushes`: the disk's own times, taken between runs; `runs`: all there were."""

    postgres: Postgres
    repeats: int
    seconds: float
    growth_events: int
    tries: int
    flushes: list[float] = field(default_factory=list)
    runs: list[tuple[str, Run]] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Show progress."""
        print(text, file=sys.stderr, flush=True)

    def interleaved(self, contenders: Mapping[str, Contender]) -> dict[str, list[Run]]:
        """Run all contenders in turn, as often as asked for."""
        runs: dict[str, list[Run]] = {name: [] for name in contenders}
        for repeat in range(self.repeats):
            for name, contender in contenders.items():
                run = self._calm(contender)
                runs[name].append(run)
                self.runs.append((name, run))
                noise = f"  others used {run.foreign:.0%}" if run.is_noisy else ""
                latency = "" if run.p99_ms is None else f"  p50 {run.p50_ms:.2f} ms  p99 {run.p99_ms:.2f} ms"
                self.say(f"  {repeat + 1}/{self.repeats} {name:<44}{run.rate:>10,.0f}/s{latency}{noise}")
        return runs

    def _calm(self, contender: Contender) -> Run:
        """A run without others; where there is none in a few tries, the one with the fewest."""
        tries: list[Run] = []
        while len(tries) < self.tries:
            if tries:
                wait_for_quiet(MOST_FOREIGN, _PATIENCE)
            self.flushes += flush_times(self.postgres.folder, _FLUSHES)
            tries.append(contender())
            if not tries[-1].is_noisy:
                break
        return min(tries, key=lambda run: run.foreign)

    def load(
        self,
        spec: Spec,
        server: Api | None,
        *,
        expected: str = "201",
        program: str = "bench.load",
        on_measuring: Callable[[], object] = lambda: None,
    ) -> Run:
        """Run the load generator against a server. Raises AssertionError where an answer is not the expected one.

        `program`: what sends; without a server, straight into Postgres. `on_measuring`: called after the lead-in.
        """
        with load(spec, program) as generator:
            trees = {"postgres": self.postgres.pid, "load": generator.pid}
            if server is not None:
                trees = {"api": server.pid} | trees
            generator.begin()
            log, before = self.postgres.log_position(), usage(trees)
            on_measuring()
            generator.expect("measured")
            after = usage(trees)
            log = self.postgres.log_position() - log
            result = generator.result()
        assert set(result.codes) == {expected}, f"errors are fast, and do not count: {result.codes}"
        more = {"per_second": result.per_second, "log_bytes": log / (result.rate * (after.at - before.at))}
        return Run(
            result.rate,
            result.p50_ms,
            result.p99_ms,
            costs(before, after, result.rate),
            foreign_share(before, after),
            more,
        )


def costs(before: Usage, after: Usage, rate: float) -> dict[str, float]:
    """Processor microseconds an event of each process tree, at this rate."""
    events = rate * (after.at - before.at)
    return {name: 1e6 * (after.trees[name] - before.trees[name]) / events for name in before.trees}


class Generator:
    """A load generator's process, ready to begin."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def expect(self, word: str) -> None:
        """Wait until it says so."""
        assert self._process.stdout is not None
        if (said := self._process.stdout.readline().strip()) != word:
            raise RuntimeError(f"the load generator said {said!r}, not {word!r}")

    def begin(self) -> None:
        """Let it begin; returns when its lead-in is over."""
        self.say("go")
        self.expect("measuring")

    def result(self) -> Result:
        """What it found, when it has ended."""
        assert self._process.stdout is not None
        return Result(**json.loads(self._process.stdout.readline() or "{}"))

    def say(self, line: str) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def load(spec: Spec, program: str = "bench.load") -> Iterator[Generator]:
    """A load generator that is ready."""
    with ExitStack() as ending:
        process = subprocess.Popen(
            [sys.executable, "-m", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ending.callback(_end, process)
        generator = Generator(process)
        generator.say(json.dumps(asdict(spec)))
        generator.expect("ready")
        yield generator


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate()  # closes its input, which it waits for


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)
