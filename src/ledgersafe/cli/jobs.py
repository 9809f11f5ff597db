"""`ledgersafe jobs`: what the workers do on a schedule, and how it went."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, members_of, note, out, plain, print_json, record
from ledgersafe.cli.records import LimitOption, pages

app = typer.Typer(no_args_is_help=True, help="The workers' jobs. They need a key that serves all tenants.")
_JOBS = ("name", "every_seconds", "due_at", "paused", "running", "attempts", "last_outcome", "last_summary")
_RUNS = ("started_at", "seconds", "outcome", "summary")
NameArgument = Annotated[str, typer.Argument(metavar="JOB", help="Its name, as `jobs list` shows it.")]
NotesOption = Annotated[str, typer.Option("--notes", help="Why; kept in the audit log.")]


@app.command("list")
def list_all(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """How often each runs, when it is due, and how its last run ended."""
    with connection_of(ctx).client() as client:
        answer = members_of(client.get("/v1/jobs"))
    items = [_flat(item) for item in items_of(answer.get("items"))]
    if as_json:
        print_json(answer)
    else:
        out().print(listing("Jobs", items, _JOBS) if items else plain("No worker has started yet: `ledgersafe work`."))


@app.command()
def runs(ctx: typer.Context, job: NameArgument, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """The runs of a job, latest first."""
    with connection_of(ctx).client() as client:
        items, more = pages(client, f"{_address(job)}/runs", {}, limit)
    if as_json:
        print_json({"items": items, "more": more})
        return
    out().print(listing(f"Runs of {job}", items, _RUNS) if items else plain("It has not run yet."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


@app.command()
def pause(ctx: typer.Context, job: NameArgument, notes: NotesOption, as_json: JsonOption = False) -> None:
    """Have no worker take it any more. A run that is under way goes on to its end."""
    _steer(ctx, job, "pause", notes, as_json=as_json)


@app.command()
def resume(ctx: typer.Context, job: NameArgument, notes: NotesOption, as_json: JsonOption = False) -> None:
    """Have it run again when it is due."""
    _steer(ctx, job, "resume", notes, as_json=as_json)


@app.command()
def run(ctx: typer.Context, job: NameArgument, notes: NotesOption, as_json: JsonOption = False) -> None:
    """Have it run now: the first worker that is free takes it."""
    _steer(ctx, job, "run", notes, as_json=as_json)


def _steer(ctx: typer.Context, job: str, wish: str, notes: str, *, as_json: bool) -> None:
    with connection_of(ctx).client() as client:
        answer = members_of(client.post(f"{_address(job)}/{wish}", {"notes": notes}))
    if as_json:
        print_json(answer)
    else:
        out().print(record("Job", _flat(answer)))


def _address(job: str) -> str:
    return f"/v1/jobs/{quote(job, safe='')}"


def _flat(item: Mapping[str, Any]) -> dict[str, Any]:
    """A job, with what is worth showing of its last run beside it."""
    last = members_of(item.get("last_run"))
    shown = {name: value for name, value in item.items() if name != "last_run"}
    return shown | {f"last_{name}": last.get(name) for name in ("started_at", "seconds", "outcome", "summary")}
