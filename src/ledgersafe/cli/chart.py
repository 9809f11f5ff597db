"""`ledgersafe ledger chart`: which account plays which role in postings."""

from typing import Annotated

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, members_of, out, print_json
from ledgersafe.cli.records import TenantOption
from ledgersafe.cli.settings_file import read, show_changes
from ledgersafe.cli.tenants import DryRunOption, FileArgument
from ledgersafe.kernel.strict_yaml import write_yaml

app = typer.Typer(no_args_is_help=True, help="The chart of accounts: show it, or replace it from a YAML file.")
_PATH = "/v1/ledger/chart"


@app.command("show")
def show(
    ctx: typer.Context,
    tenant: TenantOption = None,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As `import` reads it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the accounts that postings go to. Retired ones: `ledgersafe ledger accounts`."""
    with connection_of(ctx).client() as client:
        answer = members_of(client.get(_PATH, {"tenant_id": tenant}))
    if as_json:
        print_json(answer)
    elif as_yaml:
        typer.echo(write_yaml(answer), nl=False)
    else:
        out().print(listing("Chart of accounts", items_of(answer["accounts"]), ("account", "role", "type", "name")))


@app.command("import")
def import_file(
    ctx: typer.Context,
    file: FileArgument,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replace the chart, for what is posted from then on: all of it, or nothing and every fault.

    An account that the file leaves out is retired: it stays on record with what was posted to it, and keeps its role.
    """
    found = read(file)
    accounts = members_of(found).get("accounts") if list(members_of(found)) == ["accounts"] else found
    with connection_of(ctx).client() as client:
        content = {"accounts": accounts, "dry_run": dry_run}
        answer = members_of(client.send("PUT", _PATH, content, {"tenant_id": tenant}))
    show_changes(answer, ("account",), as_json=as_json)
