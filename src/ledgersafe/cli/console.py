"""`ledgersafe console`: the operators' pages, for a browser."""

from typing import Annotated

import typer

from ledgersafe.bootstrap import configure_logging, settings
from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.commands import loading
from ledgersafe.cli.ports import check_port
from ledgersafe.client.api import ApiClient


def console(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8501,
) -> None:
    """Serve the console of the API at LEDGERSAFE_URL until SIGTERM. People sign in with an API key."""
    url = connection_of(ctx).url
    ApiClient(url, None)  # tells at once, and not everybody who signs in, that this is no address
    check_port(host, port)
    try:
        with loading():  # imported here: Streamlit is slow to load, and no other command needs it
            from ledgersafe.console.server import serve
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("ledgersafe"):
            raise
        raise CliError("The console needs its extra: pip install 'ledgersafe[console]'.") from None
    configure_logging(settings())
    serve(url, host, port)
