"""Operator commands, one file per noun."""

import sys
from typing import Annotated

import typer

from ledgersafe import __version__
from ledgersafe.bootstrap import settings
from ledgersafe.cli.client import CliError, Connection, told
from ledgersafe.cli.commands import Commands
from ledgersafe.cli.output import err, plain
from ledgersafe.db.errors import DatabaseError
from ledgersafe.kernel.errors import RequestRefused, ToldPlainly

app = typer.Typer(
    name="ledgersafe",
    cls=Commands,
    help="Sales audit: every arrival kept, posted exactly once, or parked with a reason.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=True,
)


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
    except ToldPlainly as error:
        _fail(told(error), 1)
    except RequestRefused as error:
        _fail(str(error), 1)
    except DatabaseError as error:
        _fail(f"The database does not do it: {error}\n`ledgersafe db status` shows where it is.", 1)


def _fail(message: str, exit_code: int) -> None:
    err().print(plain(message, style="red"))
    sys.exit(exit_code)
