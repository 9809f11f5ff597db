"""`ledgersafe keys`: API keys, through the owner's connection: the first key cannot come over HTTP."""

from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from ledgersafe.bootstrap import owner_runtime
from ledgersafe.cli.client import CliError
from ledgersafe.cli.output import JsonOption, note, out, print_json, table
from ledgersafe.pipeline.keys import OWNER, Wish, create_key, list_keys, revoke_key, rotate_key
from ledgersafe.tenants.store import ApiKey

app = typer.Typer(no_args_is_help=True, help="Make, list and end API keys.")


@app.command()
def create(
    label: Annotated[str, typer.Option(help="What it is for, e.g. 'till gateway, store 12'.")],
    scope: Annotated[list[str], typer.Option(help="ingest, operate, read or admin; may be given several times.")],
    tenant: Annotated[list[str] | None, typer.Option(help="A tenant it serves; may be given several times.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="Serve every tenant, those to come too.")] = False,
    expires_in_days: Annotated[float | None, typer.Option(help="When it ends by itself.", min=0.001)] = None,
    json: JsonOption = False,
) -> None:
    """Make a key. Its token is printed this once, and stored nowhere."""
    if bool(tenant) == all_tenants:
        raise CliError("Say whom the key serves: --tenant NAME (one or more), or --all-tenants.")
    with closing(owner_runtime()) as parts:
        now = parts.clock.now()
        expires_at = None if expires_in_days is None else now + timedelta(days=expires_in_days)
        made = create_key(parts.database, Wish(label, tenant, scope, expires_at), OWNER, now)
    if json:
        print_json({"token": made.token, **_row(made.key)})
    else:
        note(f"Key {made.key.key_id} ({label}). Keep the token: it is shown this once.")
        typer.echo(made.token)


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List every key, ended ones included."""
    with closing(owner_runtime()) as parts:
        rows = [_row(key) for key in list_keys(parts.database, OWNER)]
    if json:
        print_json(rows)
        return
    columns = ("key_id", "label", "tenant_ids", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    cells = [[row[name] or ("all" if name == "tenant_ids" else None) for name in columns] for row in rows]
    out().print(table(None, columns, cells))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as `keys list` shows it.")], json: JsonOption = False
) -> None:
    """End a key: it is refused everywhere within five seconds."""
    with closing(owner_runtime()) as parts:
        key = revoke_key(parts.database, key_id, OWNER, parts.clock.now())
    if json:
        print_json(_row(key))
    else:
        note(f"Key {key.key_id} ({key.label}) is ended.")


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The id, as `keys list` shows it.")],
    overlap_hours: Annotated[float, typer.Option(help="How long the old key lives on.", min=0)] = 24,
    json: JsonOption = False,
) -> None:
    """Replace a key by one that does the same; both work during the overlap."""
    with closing(owner_runtime()) as parts:
        made = rotate_key(parts.database, key_id, timedelta(hours=overlap_hours), OWNER, parts.clock.now())
    if json:
        print_json({"token": made.token, **_row(made.key)})
    else:
        note(f"Key {made.key.key_id} takes the place of {key_id}, which ends in {overlap_hours:g} hours.")
        typer.echo(made.token)


def _row(key: ApiKey) -> dict[str, object]:
    return {name: value for name, value in asdict(key).items() if name != "secret_sha256"}
