"""Rows of the table: what was measured, what it is held against, the ratio and its bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.runs import Run, median


@dataclass(frozen=True, slots=True)
class Side:
    """One contender's medians. `costs`: processor microseconds an event. `log_bytes`: write-ahead log an event."""

    name: str
    rate: float | None
    p50_ms: float | None
    p99_ms: float | None
    costs: Mapping[str, float] = field(default_factory=dict)
    log_bytes: float | None = None

    @staticmethod
    def of(name: str, runs: Sequence[Run]) -> "Side":
        """The medians of its runs."""
        return Side(
            name,
            median([run.rate for run in runs]),
            _median_of([run.p50_ms for run in runs]),
            _median_of([run.p99_ms for run in runs]),
            {tree: median([run.costs[tree] for run in runs]) for tree in runs[0].costs},
            _median_of([run.more.get("log_bytes") for run in runs]),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `at_most`: the bar is a ceiling. `noisy`: how many of its runs others disturbed too much."""

    path: str
    ours: Side
    peer: Side | None
    value: float
    unit: str
    spread: Sequence[float]
    bar: float | None
    at_most: bool = False
    noisy: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Whether the bar is met."""
        if self.bar is None:
            return ""
        met = self.value <= self.bar if self.at_most else self.value >= self.bar
        return ("met" if met else "missed") + (f", {self.noisy} noisy runs" if self.noisy else "")

    @property
    def is_missed(self) -> bool:
        """Whether there is a bar, and it is not met."""
        return self.verdict.startswith("missed")


def rate_row(path: str, ours: tuple[str, Sequence[Run]], peer: tuple[str, Sequence[Run]], bar: float | None) -> Row:
    """Ours against a peer: the median of the ratios of runs that followed one another."""
    ratios = [mine.rate / theirs.rate for mine, theirs in zip(ours[1], peer[1], strict=True)]
    noisy = sum(run.is_noisy for run in (*ours[1], *peer[1]))
    return Row(path, Side.of(*ours), Side.of(*peer), median(ratios), "×", ratios, bar, noisy=noisy)


def text(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines: list[str] = []
    for path in dict.fromkeys(row.path for row in rows):
        lines += ["", path]
        of_path = [row for row in rows if row.path == path]
        shown: list[Side] = []
        for row in of_path:
            for side in (row.ours, row.peer):
                if side is not None and side not in shown:
                    shown.append(side)
                    lines.append(_side_line(side))
        lines += [_row_line(row) for row in of_path]
    return "\n".join(lines)


def _side_line(side: Side) -> str:
    rate = "" if side.rate is None else f"{side.rate:,.0f}/s"
    latency = "  ".join(
        f"{name} {value:.2f} ms" for name, value in (("p50", side.p50_ms), ("p99", side.p99_ms)) if value is not None
    )
    return f"    {side.name:<54}{rate:>11}  {latency:<30}{costs_text(side)}".rstrip()


def _row_line(row: Row) -> str:
    against = f"{row.ours.name} : {row.peer.name}" if row.peer else row.ours.name
    low, high = min(row.spread), max(row.spread)
    return f"  → {against}: {value_text(row)} ({low:.2f}–{high:.2f})  {bar_text(row)}  {row.verdict}".rstrip()


def value_text(row: Row) -> str:
    """The figure that is held against the bar."""
    return f"{row.value:.3g} {row.unit}"


def bar_text(row: Row) -> str:
    """The bar."""
    return "" if row.bar is None else f"{'≤' if row.at_most else '≥'} {row.bar:g} {row.unit}"


def costs_text(side: Side) -> str:
    """What an event costs: processor microseconds, bytes of log."""
    if not side.costs:
        return ""
    log = "" if not side.log_bytes else f", {side.log_bytes / 1000:.1f} kB WAL"
    return f"{', '.join(f'{tree} {cost:.0f}' for tree, cost in side.costs.items())} µs{log}"


def _median_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def heading(header: Mapping[str, Any]) -> str:
    """The machine, in a few lines."""
    return (
        f"Ledgersafe {header['version']} · {header['at']} · {header['cores']} cores ({header['processor']}), "
        f"{header['memory_gib']} GiB · {header['kernel']} · Python {header['python']} · Postgres {header['postgres']}\n"
        f"fsync {header['fsync']} · synchronous_commit {header['synchronous_commit']} · full_page_writes "
        f"{header['full_page_writes']} · shared_buffers {header['shared_buffers']} · max_wal_size "
        f"{header['max_wal_size']} · checkpoint_timeout {header['checkpoint_timeout']}\n"
        f"disk: 8 KiB made durable in p50 {header['flush_p50_ms']:.2f} ms, p99 {header['flush_p99_ms']:.2f} ms\n"
        f"medians of {header['repeats']} interleaved repeats, {header['minutes']} minutes · others used "
        f"{header['foreign']:.0%} of the machine (median), more than {header['most_foreign']:.0%} in "
        f"{header['noisy_runs']} of {header['runs']} runs"
    )
