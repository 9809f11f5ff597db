"""Operator commands, one file per noun."""

import sys
from typing import Annotated

import typer

from ledgersafe import __version__
from ledgersafe.bootstrap import InvalidSettings, NoDatabase, settings
from ledgersafe.cli import (
    contracts,
    db,
    events,
    exceptions,
    exports,
    gold,
    health,
    keys,
    ledger,
    report,
    seals,
    stores,
    tenants,
    verify,
    webhooks,
)
from ledgersafe.cli.client import CliError, Connection
from ledgersafe.cli.demo import demo
from ledgersafe.cli.output import err, plain
from ledgersafe.cli.records import audit, rejected
from ledgersafe.cli.serve import serve
from ledgersafe.cli.trace import trace
from ledgersafe.cli.up import up
from ledgersafe.cli.work import work
from ledgersafe.db.embedded import EmbeddedPostgresError
from ledgersafe.db.errors import DatabaseError
from ledgersafe.db.migrate import MigrationError
from ledgersafe.kernel.errors import RequestRefused

app = typer.Typer(
    name="ledgersafe",
    help="Sales audit: every arrival kept, posted exactly once, or parked with a reason.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=True,
)
for _name, _group in (
    ("db", db.app),
    ("keys", keys.app),
    ("events", events.app),
    ("exceptions", exceptions.app),
    ("report", report.app),
    ("gold", gold.app),
    ("ledger", ledger.app),
    ("contracts", contracts.app),
    ("tenants", tenants.app),
    ("stores", stores.app),
    ("seals", seals.app),
    ("webhooks", webhooks.app),
):
    app.add_typer(_group, name=_name)
ledger.app.add_typer(exports.app, name="export")
for _command in (up, serve, work, trace, health.health, verify.verify, audit, rejected, demo):
    app.command()(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Settings come from the environment: LEDGERSAFE_URL, LEDGERSAFE_API_KEY, LEDGERSAFE_DATA and more (docs)."""
    del version
    chosen = settings()
    key = None if chosen.api_key is None else chosen.api_key.get_secret_value()
    ctx.obj = Connection(url=chosen.url, api_key=key, data=chosen.data)


def main() -> None:
    """The command. Foreseen failures print what, where and what to do, and exit with 1."""
    try:
        app()
    except CliError as error:
        _fail(error.message, error.exit_code)
    except (InvalidSettings, NoDatabase, EmbeddedPostgresError, MigrationError, RequestRefused) as error:
        _fail(str(error), 1)
    except DatabaseError as error:
        _fail(f"The database does not do it: {error}\n`ledgersafe db status` shows where it is.", 1)


def _fail(message: str, exit_code: int) -> None:
    err().print(plain(message, style="red"))
    sys.exit(exit_code)
