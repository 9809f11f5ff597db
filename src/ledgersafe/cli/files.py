"""`ledgersafe files`: files are delivered, and what became of them."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ledgersafe.cli.bad_rows import bad_rows, ignore_rows, replay_rows
from ledgersafe.cli.client import ApiClient, ApiProblem, CliError, connection_of
from ledgersafe.cli.output import JsonOption, err, items_of, listing, members_of, note, out, plain, print_json, record
from ledgersafe.cli.records import TenantOption
from ledgersafe.cli.uploading import Destination, FileChangedError, upload
from ledgersafe.cli.watching import Watch

app = typer.Typer(no_args_is_help=True, help="Deliver files, and see what became of them.")
for _name, _command in (("bad-rows", bad_rows), ("replay-rows", replay_rows), ("ignore-rows", ignore_rows)):
    app.command(_name)(_command)
_POLL_SECONDS = 0.3
_COLUMNS = (
    "file", "received_at", "ingestion_id", "dataset", "filename", "status", "duplicate", "rows_ok", "rows_bad",
    "reason_code", "error",
)  # fmt: skip
_HEAD = (
    "ingestion_id", "tenant_id", "dataset", "filename", "source", "sha256", "size_bytes", "replay_of",
    "contract_version", "status", "reason_code", "detail", "attempts", "received_at", "received_by", "ended_at",
    "rows_in", "rows_ok", "rows_bad", "outcomes", "facts",
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

    Exits with 1 where one was not taken; with --wait, also where nothing of one was loaded.
    """
    to = Destination(dataset, source, tenant)
    with connection_of(ctx).client() as client:
        found = _send_all(client, files, to, show=sys.stderr.isatty() and not as_json)
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
        out().print(listing("Deliveries", items, _COLUMNS) if items else plain("There is none."))


@app.command()
def show(
    ctx: typer.Context, ingestion_id: IdArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """One delivery: how it ended, what is wrong with it, and what was decided of it. With --json all of its reports."""
    with connection_of(ctx).client() as client:
        found = client.get(f"/v1/ingestions/{ingestion_id}", {"tenant_id": tenant})
    if as_json:
        print_json(found)
        return
    out().print(record("Delivery", {name: found[name] for name in _HEAD if found[name] is not None}))
    if rules := items_of(members_of(found["quality"]).get("rules")):
        out().print(listing("Faults", rules, ("column", "rule", "count")))
    if found["drift"]:
        out().print(record("Columns", found["drift"]))
    if decided := items_of(found["audit"]):
        out().print(listing("Decisions", decided, ("occurred_at", "actor", "action", "after_json", "notes")))


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
        found = client.post(f"/v1/ingestions/{ingestion_id}/replay", {"notes": notes}, {"tenant_id": tenant})
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
    if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", dataset) is None:
        raise CliError(f"{dataset!r} cannot be a dataset: 1 to 40 of a-z, 0-9 and _, beginning with a letter.")
    with connection_of(ctx).client() as client:
        watching = Watch(client, folder, Destination(dataset, source, tenant), settle)
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
    with Progress(*columns, console=err(), disable=not show, transient=True) as bar:
        return [_send(client, file, to, bar) for file in files]


def _send(client: ApiClient, file: Path, to: Destination, bar: Progress) -> dict[str, Any]:
    if not file.is_file():
        return {"file": str(file), "error": "there is no such file"}
    task = bar.add_task(plain(file.name).plain, total=file.stat().st_size)
    try:
        answer, _ = upload(client, file, to, lambda size: bar.advance(task, size))
    except FileChangedError as error:
        return {"file": str(file), "error": error.message}
    except ApiProblem as problem:
        if problem.status in (413, 415):
            return {"file": str(file), "error": problem.message, "reason_code": problem.reason_code}
        raise
    return {"file": str(file), "duplicate": answer["duplicate"]} | answer["ingestion"]


def _when_ended(client: ApiClient, of: dict[str, Any], tenant: str | None) -> dict[str, Any]:
    """The delivery, once it is worked through; what was not taken stays as it is."""
    while of.get("status") in ("received", "processing"):
        time.sleep(_POLL_SECONDS)
        found = client.get(f"/v1/ingestions/{of['ingestion_id']}", {"tenant_id": tenant})
        of = of | {name: value for name, value in found.items() if name in of}
    return of


def _show(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": found})
        return
    shown = [{name: value for name, value in one.items() if name not in ("filename", "received_at")} for one in found]
    out().print(listing("Deliveries", shown, _COLUMNS))
    for one in found:
        if one.get("detail"):
            note(f"{one['filename']}: {one['detail']}")
