"""`ledgersafe events send`: a file of events, one a line, to the API; it can be stopped and taken up at any time."""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ledgersafe.cli.chunks import Chunk, gaps, read_chunks
from ledgersafe.cli.client import CliError, Connection, connection_of
from ledgersafe.cli.output import JsonOption, err, note, out, plain, print_json, table
from ledgersafe.cli.sending import Deliverer, GaveUp, in_parallel, tell_of_pauses
from ledgersafe.cli.tally import FileMark, Item, Progress, Tally, load_progress, state_path

app = typer.Typer(no_args_is_help=True, help="Send events.")

_ANSWER_SECONDS = 60.0
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Manner:
    """How to send."""

    chunk: int
    parallel: int
    give_up_after: float
    restart: bool
    show_progress: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a file. `seconds` is this run's; `resumed_from` events were answered in runs before it."""

    file: str
    tally: Tally
    seconds: float
    resumed_from: int

    def rate(self) -> float:
        """Events a second, of this run."""
        return (self.tally.events() - self.resumed_from) / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """The summary as `--json` prints it."""
        return {
            "file": self.file,
            "events": self.tally.events(),
            "seconds": round(self.seconds, 3),
            "by_result": self.tally.by_result(),
            "resumed_from": self.resumed_from,
        }


@app.callback()
def group() -> None:
    """Send events."""


@app.command()
def send(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE.ndjson", help="One JSON event a line; - is standard input.")],
    chunk: Annotated[int, typer.Option(min=1, max=10_000, help="Events a request, at most (and 4 MB).")] = 500,
    parallel: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="Requests at once. Which of two payloads of one key counts depends on which comes first: "
            "with --parallel 1 that is the order of the file.",
        ),
    ] = 4,
    give_up_after: Annotated[float, typer.Option(min=0, help="Seconds for which one request is tried.")] = 300,
    restart: Annotated[bool, typer.Option(help="Send the whole file, whatever was sent of it before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send a file of events and show what became of them.

    It can be stopped at any time: the same command goes on where it was. A file that has changed is sent from its
    beginning. Events that were answered before count as duplicates when sent again; nothing is ever posted twice.

    Exits with 1 where an event was refused (4xx), or the server failed at it (5xx). Events that were parked (202) are
    kept, and no refusals: with these alone it exits with 0.
    """
    manner = Manner(chunk, parallel, give_up_after, restart, show_progress=sys.stderr.isatty() and not as_json)
    connection = connection_of(ctx)
    source = Path(file)
    if file == "-" or (source.exists() and not source.is_file()):
        summary = _send_stream(connection, file, manner)
    else:
        summary = _send_file(connection, source, manner)
    if as_json:
        print_json(summary.as_json())
        _show_samples(summary.tally, err())
    else:
        show(summary, out())
    _raise_what_went_wrong(summary.tally)


def _raise_what_went_wrong(tally: Tally) -> None:
    """Raises CliError where an event was neither posted nor parked."""
    wrong: list[str] = []
    if refused := tally.refused():
        wrong.append(f"{_events(refused)} refused: mend what is wrong with them, and send them again.")
    if failed := tally.failed():
        wrong.append(f"The server failed at {failed:,} events. Send the file again later.")
    if wrong:
        raise CliError("\n".join(wrong))


def _events(count: int) -> str:
    return "1 event was" if count == 1 else f"{count:,} events were"


def show(summary: Summary, console: Console) -> None:
    """The summary for people."""
    kinds = summary.tally.by_result()
    rows = [(kind["status"], kind["result"], kind["reason_code"], f"{kind['count']:,}") for kind in kinds]
    console.print(table(None, ("status>", "result", "reason_code", "events>"), rows))
    earlier = f", {summary.resumed_from:,} of them in an earlier run" if summary.resumed_from else ""
    console.print(
        plain(f"{summary.tally.events():,} events{earlier}; {summary.seconds:.1f} s, {summary.rate():,.0f} events/s")
    )
    _show_samples(summary.tally, console)


def _show_samples(tally: Tally, console: Console) -> None:
    if tally.samples:
        rows = [(each.at, each.status, each.reason_code, each.detail, each.text) for each in tally.samples]
        columns = ("at byte>", "status>", "reason_code", "detail", "event")
        console.print(table("Refused, for example (nothing of these was posted)", columns, rows))


def _send_file(connection: Connection, source: Path, manner: Manner) -> Summary:
    """Send a file, remembering after each answered chunk how far it came."""
    state = state_path(_state_home(), source, connection.url)
    with _opened(source) as stream:
        _refuse_what_is_no_ndjson(stream, source)
        progress = _taken_up(state, FileMark.of(stream), source, manner)
        resumed_from = progress.tally.events()
        memory = _Memory(state)
        started = perf_counter()

        def answered(part: Chunk, items: list[Item]) -> None:
            _count(progress.tally, items)
            progress.finished(part.span)
            memory.save(progress)

        try:
            _run(connection, _missing_chunks(stream, progress, manner.chunk), answered, manner, progress)
        except GaveUp as error:
            answered_so_far = f"{progress.tally.events():,} events were answered, and are remembered."
            raise CliError(f"{error.message}\n{answered_so_far} Go on with the same command.") from None
        except KeyboardInterrupt:
            stopped = f"Stopped after {progress.tally.events():,} answered events. Go on with the same command."
            raise CliError(stopped, exit_code=_INTERRUPTED) from None
        if FileMark.of(stream) != progress.mark:
            note(f"{source} changed while it was being sent: send it again for what was added.")
    state.unlink(missing_ok=True)
    return Summary(str(source), progress.tally, perf_counter() - started, resumed_from)


def _send_stream(connection: Connection, name: str, manner: Manner) -> Summary:
    """Send what can be read only once."""
    tally = Tally()
    started = perf_counter()
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else _opened(Path(name)) as stream:
            chunks = read_chunks(stream, None, manner.chunk)
            _run(connection, chunks, lambda _, items: _count(tally, items), manner, None)
    except (GaveUp, KeyboardInterrupt) as error:
        message = error.message if isinstance(error, GaveUp) else "Stopped."
        raise CliError(
            f"{message}\n{tally.events():,} events were answered. A stream cannot be taken up in the middle: "
            "send all of it again; what was answered will count as duplicates.",
            exit_code=1 if isinstance(error, GaveUp) else _INTERRUPTED,
        ) from None
    return Summary(name, tally, perf_counter() - started, 0)


def _run(
    connection: Connection,
    chunks: Iterator[Chunk],
    answered: Callable[[Chunk, list[Item]], None],
    manner: Manner,
    progress: Progress | None,
) -> None:
    """Deliver all chunks; `answered` is called for each in this thread."""
    with (
        connection.client(seconds=_ANSWER_SECONDS, connections=manner.parallel) as client,
        _bar(manner, progress) as bar,
    ):
        tell_of_pauses(bar.say)
        deliverer = Deliverer(client, manner.give_up_after)
        for part, items in in_parallel(chunks, deliverer.deliver, manner.parallel):
            answered(part, items)
            bar.move(part.span.end - part.span.start, len(items))


@dataclass(slots=True)
class _Memory:
    """Saves progress as long as the disk lets it: sending matters more than being able to go on."""

    path: Path
    works: bool = True

    def save(self, progress: Progress) -> None:
        if not self.works:
            return
        try:
            progress.save(self.path)
        except OSError as error:
            self.works = False
            note(f"Cannot remember how far it came ({self.path}: {error.strerror}); sending on all the same.")


def _missing_chunks(stream: BinaryIO, progress: Progress, chunk: int) -> Iterator[Chunk]:
    for gap in gaps(progress.done, progress.mark.size):
        stream.seek(gap.start)
        yield from read_chunks(stream, gap, chunk)


def _taken_up(state: Path, mark: FileMark, source: Path, manner: Manner) -> Progress:
    """The progress to go on from: the saved one where the file is still the same."""
    saved = None if manner.restart else load_progress(state)
    if saved is None:
        return Progress(mark)
    if saved.mark != mark:
        note(f"{source} has changed since a part of it was sent: sending it from its beginning.")
        return Progress(mark)
    note(f"Going on after {saved.tally.events():,} events that were answered before (--restart sends all again).")
    return saved


def _count(tally: Tally, items: list[Item]) -> None:
    for item in items:
        tally.add(item)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise CliError(f"Cannot read {path}: {error.strerror}.") from None


def _refuse_what_is_no_ndjson(stream: BinaryIO, source: Path) -> None:
    """Tell a frequent mistake in one sentence, instead of by a refusal a line."""
    head = stream.read(4096)
    stream.seek(0)
    if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")):
        raise CliError(f"{source} is compressed. Unpack it on the way: gunzip -c {source} | ledgersafe events send -")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        raise CliError(
            f"{source} is a JSON array, expected one event a line. Try: jq -c '.[]' {source} | ledgersafe events send -"
        )


def _state_home() -> Path:
    """The user's state folder (XDG Base Directory Specification: a relative path there does not count)."""
    chosen = Path(os.environ.get("XDG_STATE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".local" / "state"


@dataclass(slots=True)
class _Bar:
    """The moving bar, or nothing where there is no terminal to show it on."""

    bar: Bar | None
    task: Any = None
    events: int = 0

    def say(self, message: str) -> None:
        """A remark above the bar."""
        if self.bar is not None:
            self.bar.console.print(plain(message))
        else:
            note(message)

    def move(self, size: int, events: int) -> None:
        """So many bytes and events more are done."""
        self.events += events
        if self.bar is not None:
            elapsed = self.bar.tasks[0].elapsed or 0.0
            rate = f"{self.events / elapsed:,.0f} events/s" if elapsed else ""
            self.bar.update(self.task, advance=size, rate=rate)


@contextmanager
def _bar(manner: Manner, progress: Progress | None) -> Generator[_Bar]:
    if not manner.show_progress:
        yield _Bar(None)
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Bar(*columns, console=err(), transient=True) as bar:
        total = progress.mark.size if progress is not None else None
        done = progress.done_bytes() if progress is not None else 0
        yield _Bar(bar, bar.add_task("", total=total, completed=done, rate=""))
