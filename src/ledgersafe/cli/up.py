"""`ledgersafe up`: everything on one machine, from nothing: Postgres, the API, the worker, the console."""

import os
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import structlog
import typer

from ledgersafe.bootstrap import configure_logging, open_database, owner_url, settings
from ledgersafe.cli.client import CliError
from ledgersafe.cli.ports import check_port
from ledgersafe.cli.supervisor import Child, Supervisor
from ledgersafe.db.embedded import EmbeddedPostgres
from ledgersafe.db.migrate import migrate
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.keys import OWNER, Wish, create_key, is_alive
from ledgersafe.pipeline.partition import make_partitions
from ledgersafe.settings import Settings
from ledgersafe.tenants.rules import SCOPES

_HOST = "127.0.0.1"
_log = structlog.get_logger()


def up(
    data: Annotated[Path | None, typer.Option(help="Folder of the database.", show_default="LEDGERSAFE_DATA")] = None,
    port: Annotated[int, typer.Option(help="Port of the API on 127.0.0.1.", min=1, max=65535)] = 8000,
    key_file: Annotated[
        Path | None, typer.Option(help="Where the development key goes.", show_default="DATA/key")
    ] = None,
    processes: Annotated[int, typer.Option(help="How many API processes share the port.", min=1, max=64)] = 1,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Run the worker.")] = True,
    console: Annotated[bool, typer.Option("--console/--no-console", help="Run the console.")] = True,
    console_port: Annotated[int, typer.Option(help="Port of the console on 127.0.0.1.", min=1, max=65535)] = 8501,
) -> None:
    """Start Postgres, the API, the worker and the console; Ctrl-C or SIGTERM ends them all.

    The same folder goes on where it was.
    """
    has_console = console and find_spec("streamlit") is not None  # an extra: without it, all else works
    folder = (data or settings().data).absolute()
    chosen = settings().model_copy(update={"data": folder})
    configure_logging(chosen)
    check_port(_HOST, port)
    if has_console:
        if port == console_port:
            raise CliError(f"The API and the console cannot share port {port}. Choose another with --console-port.")
        check_port(_HOST, console_port, "--console-port, or start none with --no-console")
    token_file = key_file or folder / "key"
    postgres = EmbeddedPostgres(folder, version=chosen.postgres_version) if chosen.database_url is None else None
    environment = {"LEDGERSAFE_DATA": str(folder)}
    api = _command("serve", "--host", _HOST, "--port", str(port), *(["--shared"] if processes > 1 else []))
    children = [Child("api" if processes == 1 else f"api-{n}", api, environment) for n in range(1, processes + 1)]
    if worker:
        children.append(Child("worker", _command("work"), environment))
    url = f"http://{_HOST}:{port}"
    pages = f"http://{_HOST}:{console_port}" if has_console else None
    if has_console:
        command = _command("console", "--host", _HOST, "--port", str(console_port))
        children.append(Child("console", command, environment | {"LEDGERSAFE_URL": url}))
    supervisor = Supervisor(
        children,
        postgres,
        prepare=lambda _: _prepare(chosen, token_file),
        started=lambda: _log.info("up", url=url, console=pages, data=str(folder), key_file=str(token_file)),
    )
    raise typer.Exit(supervisor.run())


def _command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ledgersafe", *arguments)


def _prepare(chosen: Settings, token_file: Path) -> None:
    """What must be there before the first request: the schema, this month's partition, the development key."""
    clock = SystemClock()
    applied = migrate(owner_url(chosen), clock.now())
    if applied:
        _log.info("migrated", applied=[migration.name for migration in applied])
    with closing(open_database(chosen)) as database:
        make_partitions(database, clock.now())
        token = token_file.read_text(encoding="ascii").strip() if token_file.exists() else ""
        if not is_alive(database, token, clock.now()):
            wish = Wish("development key", None, SCOPES)
            _write_secret(token_file, create_key(database, wish, OWNER, clock.now()).token)


def _write_secret(path: Path, secret: str) -> None:
    """Write it whole or not at all, readable by this user only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        os.fchmod(handle, 0o600)
        file.write(secret + "\n")
        file.flush()
        os.fsync(handle)
    fresh.replace(path)
