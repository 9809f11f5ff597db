"""`ledgersafe db`: the database, as its owner."""

import os
import subprocess
import sys
from contextlib import closing
from typing import Annotated

import typer

from ledgersafe.bootstrap import open_database, owner_url, settings
from ledgersafe.cli.client import CliError
from ledgersafe.cli.output import JsonOption, note, out, print_json, table
from ledgersafe.db.embedded import psql_binary, psql_environment
from ledgersafe.db.migrate import migrate as apply_migrations
from ledgersafe.db.migrate import reset as drop_everything
from ledgersafe.db.migrate import status as migration_status
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.partition import make_partitions

app = typer.Typer(no_args_is_help=True, help="Migrate, inspect or reset the database, as its owner.")


@app.command()
def migrate() -> None:
    """Bring the schema up to this version. Safe to run at any time, and twice at once."""
    now = SystemClock().now()
    applied = apply_migrations(owner_url(settings()), now)
    with closing(open_database(settings())) as database:
        made = make_partitions(database, now)
    for migration in applied:
        out().print(f"applied {migration.number:04} {migration.name}")
    out().print(f"{len(applied)} migrations applied, {len(made)} partitions made")


@app.command()
def status(json: JsonOption = False) -> None:
    """Which migrations are applied, and which are not. Exits with 1 where some are not."""
    found = migration_status(owner_url(settings()))
    rows = [
        *({"number": row.number, "name": row.name, "applied_at": row.applied_at} for row in found.applied),
        *({"number": row.number, "name": row.name, "applied_at": None} for row in found.pending),
    ]
    if json:
        print_json({"migrations": rows, "pending": len(found.pending)})
    else:
        cells = [(row["number"], row["name"], row["applied_at"] or "pending") for row in rows]
        out().print(table(None, ("number>", "migration", "applied"), cells))
    if found.pending:
        note("Run `ledgersafe db migrate`.")
        raise typer.Exit(1)


@app.command()
def psql(
    command: Annotated[
        str | None, typer.Option("-c", "--command", help="Run this, print bare rows (fields split by |), and end.")
    ] = None,
    aligned: Annotated[bool, typer.Option("--table", help="With -c: print a table with a head.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Allow changes: they pass every rule by.")] = False,
) -> None:
    """Open psql as the owner of the schema, read-only."""
    url = owner_url(settings())
    environment = os.environ | psql_environment(url)
    if not write:
        options = environment.get("PGOPTIONS", "")
        environment["PGOPTIONS"] = f"{options} -c default_transaction_read_only=on".strip()
    arguments = [str(psql_binary()), "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
    if command is not None:
        shape = ["--pset=pager=off"] if aligned or sys.stdout.isatty() else ["--tuples-only", "--no-align"]
        arguments += [*shape, "--quiet", "--command", command]
    raise typer.Exit(subprocess.run(arguments, env=environment, check=False).returncode)  # noqa: S603 - our own psql


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Drop everything that Ledgersafe keeps in the database, and make the schema anew. There is no way back."""
    if not yes and not typer.confirm("Every event, every book and every key in this database will be gone. Go on?"):
        raise CliError("Nothing was changed.")
    drop_everything(owner_url(settings()))
    migrate()
