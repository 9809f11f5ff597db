"""Write the measured part of docs/performance.md: what stands between its two markers.

Usage: python -m bench.report RESULTS.json [MORE.json ...] docs/performance.md
Of a path that several runs measured, the last one named counts; each run stands with what it says of the machine.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.table import Row, Side, bar_text, costs_text, heading, value_text

BEGIN = "<!-- measured: begin (written by python -m bench.report) -->"
END = "<!-- measured: end -->"


def main() -> None:
    """Rewrite the part of the page."""
    *results, page = map(Path, sys.argv[1:])
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} lacks the markers {BEGIN} and {END}")
    measured = "\n---\n\n".join(_runs([json.loads(file.read_text()) for file in results]))
    page.write_text(f"{before}{BEGIN}\n\n{measured}\n{END}{after}")


def _runs(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each run as text, without the paths that a later one measured."""
    later = {row["path"]: number for number, run in enumerate(found) for row in run["rows"]}
    for number, run in enumerate(found):
        rows = [_row(each) for each in run["rows"] if later[each["path"]] == number]
        if rows:
            yield markdown(run["header"], rows)


def markdown(header: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The machine and the table."""
    lines = [f"{line}  " for line in heading(header).splitlines()]
    for path in dict.fromkeys(row.path for row in rows):
        lines += ["", f"**{path}**", "", *_table([row for row in rows if row.path == path])]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| | | p50 | p99 | CPU and log an event | against it | lowest–highest | bar | |"
    yield "|---|--:|--:|--:|---|--:|--:|--:|---|"
    shown: list[Side] = []
    for row in rows:
        verdict = "" if row.bar is None else f"**{row.verdict}**" if row.is_missed else row.verdict
        judged = f"{value_text(row)} | {min(row.spread):.2f}–{max(row.spread):.2f} | {bar_text(row)} | {verdict}"
        if row.peer is None:
            side = f"{row.ours.name} | | | | " if row.ours in shown else _side(row.ours)
            shown.append(row.ours)
            yield f"| {side} | {judged} |"
            continue
        # A ceiling is for ours beside one peer; a ratio of rates is for each peer beside ours.
        subject, other = (row.ours, row.peer) if row.at_most else (row.peer, row.ours)
        if other not in shown:
            shown.append(other)
            yield f"| {_side(other)} | | | | |"
        yield f"| {_side(subject)} | {judged} |"


def _side(side: Side) -> str:
    rate = "" if side.rate is None else f"{side.rate:,.0f}/s"
    return f"{side.name} | {rate} | {_time(side.p50_ms)} | {_time(side.p99_ms)} | {costs_text(side)}"


def _time(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.2f} ms"


def _row(each: dict[str, Any]) -> Row:
    fields = {name: value for name, value in each.items() if name != "verdict"}
    peer = fields["peer"]
    return Row(**fields | {"ours": Side(**fields["ours"]), "peer": None if peer is None else Side(**peer)})


if __name__ == "__main__":
    main()
