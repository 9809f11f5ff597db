"""`ledgersafe files`: files are delivered, and what became of them."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from ledgersafe.cli.bad_rows import TenantOption, bad_rows, ignore_rows, replay_rows
from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.deliveries import shown
from ledgersafe.cli.output import JsonOption, err, items_of, listing, members_of, note, out, plain, print_json
from ledgersafe.cli.uploading import Destination, FileAtFaultError, in_order, upload
from ledgersafe.cli.watching import Watch
from ledgersafe.client.api import ApiClient, ApiProblem
from ledgersafe.kernel.errors import ToldPlainly
from ledgersafe.kernel.reasons import REASONS

app = typer.Typer(no_args_is_help=True, help="Deliver files, and see what became of them.")
for _name, _command in (("bad-rows", bad_rows), ("replay-rows", replay_rows), ("ignore-rows", ignore_rows)):
    app.command(_name)(_command)
_POLL_SECONDS = 0.3
_PATIENCE_SECONDS = 10.0
_LONGEST_SOURCE = 255
_FILE_AT_FAULT = frozenset({"UNSUPPORTED_FORMAT", "FILE_TOO_LARGE", "INVALID_PARAMETER"})
_COLUMNS = (
    "file", "received_at", "ingestion_id", "dataset", "filename", "status", "duplicate", "rows_ok", "rows_bad",
    "outcomes", "reason_code", "error",
)  # fmt: skip
Status = Literal["received", "processing", "succeeded", "quarantined", "failed"]
DatasetOption = Annotated[str, typer.Option("--dataset", help="Whose contract it is judged by.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="Where it comes from, in your words.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, as `files list` shows it.")]


@app.command()
def ingest(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="PATH…", help="CSV, TSV, JSON, NDJSON, Parquet, XLSX.")],
    dataset: DatasetOption,
    source: SourceOption = None,
    tenant: TenantOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they are worked through.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Deliver files. The same bytes again are the delivery that they were before.

    Of two files of a table, the one received later counts. Files named in the order of their names, as *.csv names
    them, are sent in the order in which they were written; others in the order in which you name them.

    Exits with 1 where one was not taken; with --wait, also where nothing of one was loaded.
    """
    to = _destination(dataset, source, tenant)
    with connection_of(ctx).client() as client:
        found = _send_all(client, _ordered(files), to, show=sys.stderr.isatty() and not as_json)
        if wait:
            found = [_when_ended(client, one, tenant) for one in found]
    _show(found, as_json=as_json)
    if any("error" in one or one.get("status") in ("quarantined", "failed") for one in found):
        raise typer.Exit(1)


@app.command("list")
def list_all(
    ctx: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="Only of this dataset.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only those that stand so.")] = None,
    tenant: TenantOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """The latest deliveries."""
    asked = {"dataset": dataset, "status": status, "tenant_id": tenant, "limit": limit}
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/ingestions", asked)
    items = items_of(answer["items"])
    if as_json:
        print_json(answer)
    else:
        out().print(_listed(items) if items else plain("There is none."))


@app.command()
def show(
    ctx: typer.Context, ingestion_id: IdArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """One delivery: how it ended, its quality, drift and lineage, and what was decided of it."""
    with connection_of(ctx).client() as client:
        found = members_of(client.get(_path(ingestion_id), {"tenant_id": tenant}))
    if as_json:
        print_json(found)
    else:
        for part in shown(found):
            out().print(part)


@app.command()
def sample(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Its name.")],
    tenant: TenantOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Rows of a dataset's table, those loaded last first, each with the delivery and the row that it came from."""
    with connection_of(ctx).client() as client:
        path = f"/v1/datasets/{quote(_dataset(dataset), safe='')}/curated/sample"
        answer = members_of(client.get(path, {"tenant_id": tenant, "limit": limit}))
    rows = items_of(answer["rows"])
    if as_json:
        print_json(answer)
    elif rows:
        out().print(listing(f"files.curated_{dataset}", rows, [name for name in rows[0] if name != "_source_sha256"]))
    else:
        out().print(plain("The table is empty."))


@app.command()
def replay(
    ctx: typer.Context,
    ingestion_id: IdArgument,
    notes: Annotated[str, typer.Option("--notes", help="Why.")],
    tenant: TenantOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is worked through.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Work a delivery through again, by the contract that is in force now: a new delivery, of the same file."""
    with connection_of(ctx).client() as client:
        found = client.post(f"{_path(ingestion_id)}/replay", {"notes": notes}, {"tenant_id": tenant})
        if wait:
            found = _when_ended(client, found, tenant)
    if as_json:
        print_json(found)
    else:
        _show([found], as_json=False)
    if found["status"] in ("quarantined", "failed"):
        raise typer.Exit(1)


@app.command()
def watch(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The drop folder.")],
    dataset: DatasetOption,
    source: SourceOption = None,
    tenant: TenantOption = None,
    settle: Annotated[float, typer.Option(min=0, help="Seconds for which a file must have stood still.")] = 3.0,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left there.")] = False,
) -> None:
    """Deliver what is put into a folder, until SIGTERM. A file is taken once nobody writes to it any more.

    Then it is moved to DIR/taken, or to DIR/refused with the reason beside it. What begins with a dot, or ends in
    .part or .tmp, is left alone.
    """
    to = _destination(dataset, source, tenant)
    with connection_of(ctx).client() as client:
        watching = Watch(client, folder, to, settle)
        watching.end_on_signals()
        note(f"Watching {folder} for files of {dataset}.")
        for happened in watching.run(once=once):
            which = "" if happened.answer is None else f" {happened.answer['ingestion']['ingestion_id']}"
            out().print(plain(f"{happened.file.name}: {happened.what}: {happened.detail}{which}"))


def _send_all(client: ApiClient, files: Sequence[Path], to: Destination, *, show: bool) -> list[dict[str, Any]]:
    """One answer a file, in order; a file that is not taken says why, and the others go on.

    Raises CliError where it is not the file that is at fault.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    found: list[dict[str, Any]] = []
    with Progress(*columns, console=err(), disable=not show, transient=True) as bar:
        try:
            for file in files:
                found.append(_send(client, file, to, bar))
        except (ToldPlainly, KeyboardInterrupt) as error:
            bar.stop()
            if found or isinstance(error, KeyboardInterrupt):
                _tell_where_it_stopped(files, len(found))
            raise
    return found


def _ordered(files: Sequence[Path]) -> Sequence[Path]:
    """Files in the order of their names, as a shell puts them, in that of their writing: 10.csv is not before 9.csv."""
    if [*files] != sorted(files, key=str):
        return files
    return sorted(files, key=lambda file: in_order(file, _written_at(file)))


def _written_at(file: Path) -> int:
    """In ns; of what cannot be looked at, in no time that matters: it is told of, and not sent."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _tell_where_it_stopped(files: Sequence[Path], done: int) -> None:
    before = "" if not done else f" {done} of {len(files)} files were sent before it."
    note(f"Stopped at {files[done]}.{before} The same command sends the rest: what has arrived counts once.")


def _send(client: ApiClient, file: Path, to: Destination, bar: Progress) -> dict[str, Any]:
    if (fault := _fault_of(file)) is not None:
        return {"file": str(file), "error": fault}
    task = bar.add_task(plain(file.name).plain, total=file.stat().st_size)
    try:
        answer, _ = upload(client, file, to, lambda size: bar.advance(task, size))
    except FileAtFaultError as error:
        return {"file": str(file), "error": error.message}
    except ApiProblem as problem:
        if problem.reason_code in _FILE_AT_FAULT:
            return {"file": str(file), "error": problem.message, "reason_code": problem.reason_code}
        raise
    if answer["detail"]:
        note(f"{file.name}: {answer['detail']}")
    return {"file": str(file), "duplicate": answer["duplicate"]} | answer["ingestion"]


def _fault_of(file: Path) -> str | None:
    """What speaks against sending it, as far as that is seen from outside."""
    try:
        if file.is_dir():
            return "it is a folder: name the files in it, or have `ledgersafe files watch` take them"
        if not file.exists():
            return "there is no such file"
        return None if file.is_file() else "it is no file"
    except OSError as error:
        return f"it cannot be looked at: {error.strerror}"


def _when_ended(client: ApiClient, of: dict[str, Any], tenant: str | None) -> dict[str, Any]:
    """The delivery, once it is worked through; what was not taken stays as it is."""
    patience = time.monotonic() + _PATIENCE_SECONDS
    while of.get("status") in ("received", "processing"):
        time.sleep(_POLL_SECONDS)
        found = client.get(_path(of["ingestion_id"]), {"tenant_id": tenant})
        of = of | {name: value for name, value in found.items() if name in of}
        if of["status"] == "received" and time.monotonic() > patience:
            told = of["detail"] or "does one run (`ledgersafe up`, `ledgersafe work`)?"
            note(f"{of['filename']} waits for a worker: {told} Ctrl-C ends the waiting alone.")
            patience = float("inf")
    return of


def _destination(dataset: str, source: str | None, tenant: str | None) -> Destination:
    """Where files go, if there is such a place. Raises CliError."""
    if source is not None and not 1 <= len(source) <= _LONGEST_SOURCE:
        raise CliError(f"--source has {len(source)} characters; 1 to {_LONGEST_SOURCE} are taken.")
    return Destination(_dataset(dataset), source, tenant)


def _dataset(name: str) -> str:
    """A dataset's name, if it can be one. Raises CliError."""
    if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) is None:
        raise CliError(f"{name!r} cannot be a dataset: 1 to 40 of a-z, 0-9 and _, beginning with a letter.")
    return name


def _path(ingestion_id: str) -> str:
    return f"/v1/ingestions/{quote(ingestion_id, safe='')}"


def _listed(items: list[dict[str, Any]]) -> Table:
    """As a table. What became of events stands there only where some delivery has any."""
    has_events = any(one.get("outcomes") for one in items)
    return listing("Deliveries", items, [name for name in _COLUMNS if has_events or name != "outcomes"])


def _show(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": found})
        return
    told = [{name: value for name, value in one.items() if name not in ("filename", "received_at")} for one in found]
    out().print(_listed(told))
    for one in found:
        if one.get("detail"):
            note(f"{one['filename']}: {one['detail']}")
        if (next_step := _next_step(one)) is not None:
            note(f"  {next_step}")


def _next_step(one: dict[str, Any]) -> str | None:
    """What a person does about a delivery that has ended; of a file that only its sender can mend, nothing here."""
    which = f"{one.get('ingestion_id')} --tenant {one.get('tenant_id')}"
    if one.get("status") in ("quarantined", "failed"):
        reason = REASONS.get(str(one["reason_code"]))
        by_sender = reason is not None and reason.who == "SENDER"
        return None if by_sender else f"Once that is mended: ledgersafe files replay {which} --notes WHY"
    return f"Look at them: ledgersafe files bad-rows {which}" if one.get("rows_bad") else None
