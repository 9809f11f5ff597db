"""`ledgersafe demo`: the whole job on a throwaway installation, each answer held against the expected one."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text
from stamina.instrumentation import set_on_retry_hooks

from ledgersafe.cli.client import CliError
from ledgersafe.cli.demo_decisions import decisions
from ledgersafe.cli.demo_files import files
from ledgersafe.cli.demo_ledger import books
from ledgersafe.cli.demo_parts import Part, Traffic, invariants, mixed, scenarios
from ledgersafe.cli.output import JsonOption, err, mark, note, out, plain, print_json, table
from ledgersafe.cli.throwaway import Throwaway, running
from ledgersafe.client.api import ApiClient
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.simulator.sender import NotNowError

_VERIFY_SECONDS = 120.0
_TERMINATED = 128 + signal.SIGTERM
_NEXT = """\
Try next (in a checkout: .venv/bin/ledgersafe):
  ledgersafe up                                      the same, to stay, with the console at http://127.0.0.1:8501
  ledgersafe events send FILE.ndjson                 your own events, one a line
  ledgersafe contracts infer FILE.csv                a first contract for your own files
  ledgersafe trace EVENT_ID --tenant TENANT          what happened to an event?
  ledgersafe exceptions list                         what is parked, and why?
  ledgersafe exceptions resolve ID --notes WHY …     decide on it
  ledgersafe verify                                  does everything tie out?"""


def demo(
    events: Annotated[int, typer.Option(min=1, max=1_000_000, help="Events of the part with mixed traffic.")] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
    data: Annotated[
        Path | None, typer.Option(help="An empty folder to leave the data in.", show_default="none")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the temporary folder behind.")] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the API on 127.0.0.1.", show_default="a free one")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write the run as Markdown, without what differs from run to run.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a throwaway Ledgersafe, send it traffic with known answers, and check every one of them.

    Exits with 0 only if everything came out right. Nothing of it touches another installation.
    """
    started = time.perf_counter()
    set_on_retry_hooks([])  # a pause of the sender is no news here
    signal.signal(signal.SIGTERM, _leave)
    try:
        with _folder(data, keep=keep) as folder:
            screen = Console(file=StringIO()) if as_json else out()
            screen.print(plain("Starting Postgres, the API and the worker …", style="dim"))
            with running(folder, port) as throwaway:
                parts = _run(throwaway, Traffic(events, seed, SystemClock()), screen)
    except KeyboardInterrupt:
        raise CliError("Stopped; everything that was started has been ended.", exit_code=130) from None
    except (httpx.HTTPError, HTTPException, OSError, NotNowError) as error:
        raise CliError(f"The demo broke off: {str(error) or type(error).__name__}.") from None
    if markdown is not None:
        markdown.write_text(as_markdown(parts), encoding="utf-8")
    seconds = time.perf_counter() - started
    if as_json:
        print_json(as_members(parts, seconds))
    else:
        _conclude(parts, seconds)
    if not all(part.ok() for part in parts):
        raise typer.Exit(1)


def as_markdown(parts: Sequence[Part]) -> str:
    """The run as Markdown, without times and rates: two runs of the same seed give the same text."""
    lines = ["# What `ledgersafe demo` shows", "", "Times and rates are left out."]
    for part in parts:
        lines += ["", f"## {part.title}", "", part.explanation, ""]
        lines.append("| " + " | ".join(name.removesuffix(">") for name in part.columns) + " |")
        lines.append("|" + "|".join("---:" if name.endswith(">") else "---" for name in part.columns) + "|")
        lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in _with_marks(part)]
        lines += [f"\n{remark}" for remark in part.remarks]
    return "\n".join([*lines, "", _verdict(parts), ""])


def as_members(parts: Sequence[Part], seconds: float) -> dict[str, Any]:
    """The run for programs: the rows of each part are lists in the order of its columns."""
    shown = [
        {
            "title": part.title,
            "ok": part.ok(),
            "columns": [*(name.removesuffix(">") for name in part.columns[:-1]), "ok"],
            "rows": part.rows,
            "remarks": part.remarks,
        }
        for part in parts
    ]
    return {"ok": all(part.ok() for part in parts), "seconds": round(seconds, 1), "parts": shown}


def _run(throwaway: Throwaway, traffic: Traffic, screen: Console) -> list[Part]:
    """The six parts, each shown as soon as it is done."""
    screen.print(plain(f"Ready at {throwaway.url} after {throwaway.started_in:.1f} s.", style="dim"))
    with ApiClient(throwaway.url, throwaway.api_key, seconds=_VERIFY_SECONDS) as client:
        first = scenarios(client)
        _show(first, screen)
        second = decisions(client)
        _show(second, screen)
        third = books(client)
        _show(third, screen)
        fourth = files(client)
        _show(fourth, screen)
        with _bar(traffic.events) as answered:
            fifth, report = mixed(client, throwaway.api_key, traffic, answered)
        _show(fifth, screen)
        sixth = invariants(client, report)
        _show(sixth, screen)
    return [first, second, third, fourth, fifth, sixth]


def _show(part: Part, console: Console) -> None:
    console.print()
    console.print(plain(part.title, style="bold"))
    console.print(plain(part.explanation))
    console.print(table(None, part.columns, _with_marks(part)))
    for line in part.remarks:
        console.print(plain(line, style="red"))
    if part.varying is not None:
        console.print(plain(part.varying))


def _conclude(parts: Sequence[Part], seconds: float) -> None:
    out().print()
    good = all(part.ok() for part in parts)
    out().print(plain(f"{_verdict(parts)} {seconds:.0f} s in all.", style="bold green" if good else "bold red"))
    if good:
        out().print()
        out().print(plain(_NEXT))


def _verdict(parts: Sequence[Part]) -> str:
    wrong = [part.title for part in parts if not part.ok()]
    return f"Not as expected: {'; '.join(wrong)}." if wrong else "Everything came out as expected."


def _with_marks(part: Part) -> list[list[Any]]:
    """The rows for people: numbers with thousands separators, the last cell as a check mark."""
    return [[*(_grouped(cell) for cell in row[:-1]), mark(ok=bool(row[-1]))] for row in part.rows]


def _grouped(cell: Any) -> Any:
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else cell


def _cell(value: Any) -> str:
    text = value.plain if isinstance(value, Text) else plain(value).plain
    return text.replace("|", "\\|").replace("\n", " ")


@contextmanager
def _folder(data: Path | None, *, keep: bool) -> Generator[Path]:
    """The folder of the run: the one asked for, which must be empty and stays, or one that is removed again."""
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        if any(data.iterdir()):
            raise CliError(f"{data} is not empty, and the demo starts from nothing. Choose another folder with --data.")
        yield data.absolute()
        _tell_where(data)
        return
    folder = Path(tempfile.mkdtemp(prefix="ledgersafe-demo-"))
    folder.chmod(0o711)  # as root, Postgres is another user: it must come through to its own folder
    try:
        yield folder
    finally:
        if keep:
            _tell_where(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _tell_where(folder: Path) -> None:
    note(f"Data, key and log are left in {folder}. To go on with it: ledgersafe up --data {folder / 'data'}")


@contextmanager
def _bar(events: int) -> Generator[Callable[[int], None]]:
    """A bar on a terminal; what it yields is told how many events more are done."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("", total=events)
        yield lambda number: bar.advance(task, number)


def _leave(number: int, frame: FrameType | None) -> None:
    """SIGTERM leaves through every `finally`, so that nothing that was started stays behind."""
    del number, frame
    sys.exit(_TERMINATED)
