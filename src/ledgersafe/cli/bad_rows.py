"""`ledgersafe files bad-rows|replay-rows|ignore-rows`: rows that were not loaded. Registered by cli/files.py."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, members_of, note, out, plain, print_json, record
from ledgersafe.cli.records import LimitOption, pages

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose; needed where the key serves several.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, as `files list` shows it.")]
RowsOption = Annotated[list[int], typer.Option("--row", min=1, help="The row's number in the file; again for others.")]
NotesOption = Annotated[str, typer.Option("--notes", help="Why; kept in the audit log.")]
_SELDOM = ("group_key", "decided_by")
_IF_ANY = ("inserted", "replaced", "unchanged", "older", "outcomes")
_COLUMNS = ("row_number", "status", "group_key", "column", "rule", "value", "message", "decided_by")


def bad_rows(
    ctx: typer.Context,
    ingestion_id: IdArgument,
    status: Annotated[str | None, typer.Option(help="Only those that are open, replayed or ignored.")] = None,
    tenant: TenantOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """The rows of a delivery that were not loaded, and what is wrong with each. With --json, their values, too."""
    filters = {"status": status, "tenant_id": tenant}
    with connection_of(ctx).client() as client:
        items, more = pages(client, _path(ingestion_id), filters, limit)
    if as_json:
        print_json({"items": items, "more": more})
        return
    told = [row | fault for row in items for fault in items_of(row.get("faults"))]
    names = [name for name in _COLUMNS if name not in _SELDOM or any(row[name] is not None for row in told)]
    out().print(listing(f"Bad rows ({len(items):,})", told, names) if told else plain("There is none."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


def replay_rows(
    ctx: typer.Context,
    ingestion_id: IdArgument,
    rows: RowsOption,
    notes: NotesOption,
    put: Annotated[
        list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="Put this in place of the rows' value.")
    ] = None,
    empty: Annotated[
        list[str] | None, typer.Option("--empty", metavar="COLUMN", help="Leave this column without a value.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load rows, put right: they are judged again by the contract in force, and all of them go in, or none.

    Of rows that become events, each comes with all of its group.
    """
    patch = dict(_read(one) for one in put or ()) | dict.fromkeys(empty or ())
    wish = {"rows": [{"row_number": number, "patch": patch} for number in dict.fromkeys(rows)], "notes": notes}
    _decide(ctx, f"{_path(ingestion_id)}/replay", wish, tenant, as_json=as_json)


def ignore_rows(
    ctx: typer.Context,
    ingestion_id: IdArgument,
    rows: RowsOption,
    notes: NotesOption,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave rows out for good: these alone, whatever their groups."""
    wish = {"row_numbers": list(dict.fromkeys(rows)), "notes": notes}
    _decide(ctx, f"{_path(ingestion_id)}/ignore", wish, tenant, as_json=as_json)


def _decide(ctx: typer.Context, path: str, wish: dict[str, Any], tenant: str | None, *, as_json: bool) -> None:
    with connection_of(ctx).client() as client:
        answer = members_of(client.post(path, wish, {"tenant_id": tenant}))
    if as_json:
        print_json(answer)
    else:
        title = "Decided" if answer.get("changed") else "Decided before (nothing was changed)"
        idle = {"changed"} | {name for name in _IF_ANY if not answer[name]}
        out().print(record(title, {name: value for name, value in answer.items() if name not in idle}))


def _path(ingestion_id: str) -> str:
    return f"/v1/ingestions/{quote(ingestion_id, safe='')}/bad_rows"


def _read(said: str) -> tuple[str, str]:
    column, equals, value = said.partition("=")
    if not equals or not column:
        raise CliError(f"--set {said!r} is not COLUMN=VALUE.")
    return column, value
