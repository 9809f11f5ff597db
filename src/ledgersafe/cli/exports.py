"""`ledgersafe ledger export`: hand entries on to a general ledger."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, note, out, plain, print_json
from ledgersafe.cli.records import TenantOption

app = typer.Typer(no_args_is_help=True, help="Hand entries on to a general ledger, in numbered runs.")
_RUN = ("number", "status", "as_of", "entries", "started_at", "started_by", "voided_by", "void_reason")
_PAUSE_SECONDS = 0.5
NumberArgument = Annotated[int, typer.Argument(min=1, help="The run's number, as `ledger export list` shows it.")]


@app.command("run")
def run(
    ctx: typer.Context,
    tenant: TenantOption = None,
    as_of: Annotated[str | None, typer.Option(help="Books date, this day or before, e.g. 2026-02-28.")] = None,
    notes: Annotated[str | None, typer.Option("--notes", help="What for.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Put into a run every entry that is in none, and wait until it is complete."""
    whose = {"tenant_id": tenant}
    with connection_of(ctx).client() as client:
        found = client.post("/v1/ledger/exports", {"as_of": as_of, "notes": notes}, whose)
        while found["status"] == "making":
            note(f"Run {found['number']}: {found['entries']} entries so far.")
            time.sleep(_PAUSE_SECONDS)
            found = client.get(f"/v1/ledger/exports/{found['number']}", whose)
    if as_json:
        print_json(found)
    else:
        out().print(plain(f"Run {found['number']} is {found['status']}: {found['entries']} entries."))


@app.command("list")
def list_all(
    ctx: typer.Context,
    tenant: TenantOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """The latest runs, voided ones included."""
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/ledger/exports", {"tenant_id": tenant, "limit": limit})
    items = items_of(answer["items"])
    if as_json:
        print_json(answer)
    else:
        out().print(listing("Export runs", items, _RUN) if items else plain("Nothing was exported yet."))


@app.command("fetch")
def fetch(
    ctx: typer.Context,
    number: NumberArgument,
    tenant: TenantOption = None,
    form: Annotated[Literal["csv", "beancount"], typer.Option("--format", help="What the file is.")] = "csv",
    opens: Annotated[bool, typer.Option(help="beancount: with open and commodity directives.")] = True,
    to: Annotated[Path | None, typer.Option("--out", help="Where to; left out: standard output.")] = None,
) -> None:
    """The file of a run: the same bytes whenever it is fetched."""
    asked = {"tenant_id": tenant, "format": form, "opens": "true" if opens else "false"}
    with (
        connection_of(ctx).client() as client,
        client.download(f"/v1/ledger/exports/{number}/file", asked) as (headers, pieces),
    ):
        if headers.get("export-status") == "voided":
            note(f"Run {number} is voided: it does not count.")
        if to is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _write(to, pieces)
            note(f"Run {number} is in {to}.")


@app.command("void")
def void(
    ctx: typer.Context,
    number: NumberArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    tenant: TenantOption = None,
) -> None:
    """Have a run not count: the next one takes its entries. There is no way back."""
    with connection_of(ctx).client() as client:
        found: dict[str, Any] = client.post(
            f"/v1/ledger/exports/{number}/void", {"reason": reason}, {"tenant_id": tenant}
        )
    out().print(plain(f"Run {number} is voided: {found['entries']} entries are free for the next run."))


def _write(to: Path, pieces: Iterable[bytes]) -> None:
    """All of it or nothing: a file that was cut off never has the name that was asked for."""
    part = to.with_name(f"{to.name}.part")
    try:
        with part.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        part.replace(to)
    except OSError as error:
        raise CliError(f"Cannot write {to}: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
