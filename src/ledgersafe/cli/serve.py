"""`ledgersafe serve`: the API alone, on a database that is there."""

from typing import Annotated

import typer

from ledgersafe.bootstrap import Runtime, configure_logging, runtime
from ledgersafe.cli.client import CliError
from ledgersafe.cli.commands import loading
from ledgersafe.cli.output import note
from ledgersafe.db.errors import DatabaseUnavailable, StatementRefused
from ledgersafe.pipeline.health import is_ready


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    shared: Annotated[
        bool, typer.Option("--shared", help="Share the port with other processes that were started so.")
    ] = False,
) -> None:
    """Serve the API until SIGTERM. Start as many as you like on one database."""
    with loading():  # imported here: the web framework is slow to load, and no other command needs it
        from ledgersafe.api.server import OpenToTheWorld
        from ledgersafe.api.server import serve as run_server

    parts = runtime()
    configure_logging(parts.settings)
    try:
        _check_schema(parts)
        run_server(parts, host, port, shared=shared)
    except OpenToTheWorld as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    finally:
        parts.close()


def _check_schema(parts: Runtime) -> None:
    """A schema that is missing will not come by itself; a database that is away may."""
    try:
        is_ready(parts.database)
    except StatementRefused as error:
        raise CliError(f"The database lacks the schema: {error}\nRun `ledgersafe db migrate` first.") from None
    except DatabaseUnavailable as error:
        note(f"The database does not answer yet: {error}")
