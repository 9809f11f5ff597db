"""`ledgersafe tenants`: what is set for tenants, one by one or from a file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.output import JsonOption, listing, members_of, note, out, plain, print_json, record
from ledgersafe.cli.records import LimitOption, TenantOption, pages
from ledgersafe.cli.settings_file import NOTHING, given, read, show_changes
from ledgersafe.client.api import in_path
from ledgersafe.kernel.strict_yaml import write_yaml

app = typer.Typer(no_args_is_help=True, help="Settings of tenants, with their stores and sources.")
TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="Its tenant_id.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A YAML file.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")]
_LISTED = ("tenant_id", "currency", "time_zone", "day_starts_at", "simulated", "stores", "unverified_stores")
_POLICIES = ("unreferenced_returns", "unknown_stores", "correction_days")


class Policy(StrEnum):
    """What becomes of something."""

    ALLOW = "allow"
    PARK = "park"


@app.command("list")
def list_tenants(ctx: typer.Context, limit: LimitOption = 100, as_json: JsonOption = False) -> None:
    """List the tenants that the key serves."""
    with connection_of(ctx).client() as client:
        items, more = pages(client, "/v1/tenants", {}, limit)
    if as_json:
        print_json({"items": items, "more": more})
        return
    out().print(listing("Tenants", items, (*_LISTED, *_POLICIES)) if items else plain("There is no tenant yet."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


@app.command("show")
def show(ctx: typer.Context, tenant: TenantArgument, as_json: JsonOption = False) -> None:
    """Show all that is set for a tenant, less its stores (`ledgersafe stores list`)."""
    with connection_of(ctx).client() as client:
        answer = members_of(client.get(_path(tenant)))
    if as_json:
        print_json(answer)
    else:
        out().print(record("Tenant", answer))


@app.command("set")
def set_tenant(
    ctx: typer.Context,
    tenant: TenantArgument,
    currency: Annotated[str | None, typer.Option(help="ISO 4217, of events that name none; or none.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA name, e.g. Europe/Berlin.")] = None,
    day_starts_at: Annotated[int | None, typer.Option(help="The local hour at which a day begins, 0 to 23.")] = None,
    unreferenced_returns: Annotated[Policy | None, typer.Option(help="Returns that name no original.")] = None,
    unknown_stores: Annotated[Policy | None, typer.Option(help="Events of stores that nobody has set up.")] = None,
    correction_days: Annotated[
        str | None, typer.Option(metavar="N|none", help="How many days a transaction may be corrected for.")
    ] = None,
    simulated: Annotated[bool | None, typer.Option("--simulated/--real", help="Are its books made up?")] = None,
    as_json: JsonOption = False,
) -> None:
    """Change settings of a tenant; what is not given stays. Time zone and day count for what is posted from then on."""
    wanted = given(
        currency=currency,
        time_zone=time_zone,
        day_starts_at=day_starts_at,
        unreferenced_returns=unreferenced_returns,
        unknown_stores=unknown_stores,
        correction_days=_days(correction_days),
        simulated=simulated,
    )
    if not wanted:
        raise CliError("Say what is to be set, e.g. --time-zone Europe/Berlin; --help lists the settings.")
    with connection_of(ctx).client() as client:
        answer = members_of(client.send("PATCH", _path(tenant), wanted))
    if as_json:
        print_json(answer)
    else:
        out().print(record("Tenant", answer))


@app.command("import")
def import_file(
    ctx: typer.Context, file: FileArgument, dry_run: DryRunOption = False, as_json: JsonOption = False
) -> None:
    """Make or change the tenants of a file, with their stores and sources: all of it, or nothing and every fault.

    What the file does not name stays as it is; a store that it names is verified. docs/tenants.md has an example.
    """
    found = members_of(read(file))
    if list(found) != ["tenants"]:
        raise CliError(f"{file}: expected one list named tenants at the top, as `ledgersafe tenants export` writes it.")
    with connection_of(ctx).client() as client:
        content = {"tenants": found["tenants"], "dry_run": dry_run}
        answer = members_of(client.post("/v1/tenants:import", content))
    show_changes(answer, ("tenant_id", "object_type", "object_id"), as_json=as_json)


@app.command("export")
def export(ctx: typer.Context, tenant: TenantOption = None) -> None:
    """Print all that is set as YAML; importing it changes nothing."""
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/tenants:export", {"tenant_id": tenant})
    typer.echo(write_yaml(answer), nl=False)


def _path(tenant: str) -> str:
    return f"/v1/tenants/{in_path(tenant)}"


def _days(text: str | None) -> int | str | None:
    """A number of days, or "none". Raises CliError."""
    if text is None or text == NOTHING:
        return text
    if not (text.isascii() and text.isdigit()):
        raise CliError(f"--correction-days is {text!r}, expected a number of days or none.")
    return int(text)
