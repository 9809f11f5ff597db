"""The one place that reads Settings and makes real things of them."""

import logging
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ledgersafe.kernel.clock import Clock, SystemClock
from ledgersafe.kernel.errors import ToldPlainly
from ledgersafe.settings import Settings

if TYPE_CHECKING:  # loaded when they are made: most commands only ask the API, and start in half the time
    from ledgersafe.db.database import Database
    from ledgersafe.db.embedded import EmbeddedUrls
    from ledgersafe.storage.zone import RawZone

APPLICATION_ROLE = "ledgersafe_app"


class InvalidSettings(ToldPlainly):
    """A setting has a value that it cannot have; the message names the variable."""


class NoDatabase(ToldPlainly):
    """Nothing says where the database is."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a process works with."""

    settings: Settings
    database: "Database"
    clock: Clock

    @property
    def raw_zone(self) -> "RawZone":
        """Where received files are kept; made when it is asked for. Raises InvalidSettings."""
        return raw_zone(self.settings)

    def close(self) -> None:
        """Close the connections."""
        self.database.close()


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises InvalidSettings."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"LEDGERSAFE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise InvalidSettings("\n".join(wrong)) from None


def runtime() -> Runtime:
    """The parts, acting as the application's role. Raises NoDatabase."""
    chosen = settings()
    return Runtime(chosen, open_database(chosen), SystemClock())


def owner_runtime() -> Runtime:
    """The parts, acting as the owner of the schema: for commands that an administrator runs. Raises NoDatabase."""
    from ledgersafe.db.database import Database

    chosen = settings()
    database = Database(owner_url(chosen), size=2, statement_timeout=chosen.statement_timeout_seconds)
    return Runtime(chosen, database, SystemClock())


def open_database(chosen: Settings) -> "Database":
    """The database, acting as the application's role. Raises NoDatabase."""
    from ledgersafe.db.database import Database

    return Database(
        app_url(chosen),
        size=chosen.pool_size,
        role=APPLICATION_ROLE,
        statement_timeout=chosen.statement_timeout_seconds,
    )


def app_url(chosen: Settings) -> str:
    """Where the application connects: LEDGERSAFE_DATABASE_URL, or the embedded Postgres. Raises NoDatabase."""
    if chosen.database_url is not None:
        return chosen.database_url.get_secret_value()
    return _embedded(chosen).app


def owner_url(chosen: Settings) -> str:
    """Where migrations connect. Raises NoDatabase."""
    url = chosen.owner_database_url or chosen.database_url
    return url.get_secret_value() if url is not None else _embedded(chosen).owner


def seal_key_of(chosen: Settings) -> Path:
    """The file of the key that signs heads of seals."""
    return chosen.seal_key or chosen.data / "seal-key.json"


def raw_zone(chosen: Settings) -> "RawZone":
    """Where received files are kept. Raises InvalidSettings."""
    from ledgersafe.storage.local import LocalZone

    if chosen.raw_zone is None or "://" not in chosen.raw_zone:
        return LocalZone(Path(chosen.raw_zone or chosen.data / "raw").absolute())
    return _object_zone(chosen.raw_zone, chosen.data / "incoming")


def _object_zone(url: str, incoming: Path) -> "RawZone":
    try:
        from ledgersafe.storage.objects import SCHEMES, UnusableStore, open_zone
    except ImportError as error:
        raise InvalidSettings(f"LEDGERSAFE_RAW_ZONE: {url} needs pip install 'ledgersafe[files]' ({error}).") from None
    if not url.startswith(SCHEMES):
        raise InvalidSettings(f"LEDGERSAFE_RAW_ZONE: {url!r} is neither a folder nor one of {', '.join(SCHEMES)}.")
    try:
        return open_zone(url, incoming.absolute())
    except UnusableStore as error:
        raise InvalidSettings(f"LEDGERSAFE_RAW_ZONE: {url} cannot be opened: {error}") from None


def files_from(chosen: Settings) -> tuple[Path, ...]:
    """The folders from which files may be received by their path."""
    return tuple(Path(one).absolute() for one in chosen.files_from.split(os.pathsep) if one)


def _embedded(chosen: Settings) -> "EmbeddedUrls":
    from ledgersafe.db.embedded import connection_of

    urls = connection_of(chosen.data)
    if urls is None:
        raise NoDatabase(
            f"There is no database: LEDGERSAFE_DATABASE_URL is not set, and {chosen.data} holds no embedded Postgres. "
            "Start one with `ledgersafe up`, or say where it is with LEDGERSAFE_DATA."
        )
    return urls


def configure_logging(chosen: Settings) -> None:
    """Structured log lines on stderr: JSON, or text on a terminal. No payloads, no secrets."""
    import structlog
    from stamina.instrumentation import PrometheusOnRetryHook, RetryDetails, set_on_retry_hooks

    log = structlog.get_logger()

    def tell_of_retry(details: RetryDetails) -> None:
        """In place of the library's own line, which has all that was passed: bodies, and addresses of databases."""
        why, wait = type(details.caused_by).__name__, round(details.wait_for, 2)
        state: str | None = getattr(details.caused_by, "sqlstate", None)
        log.warning("tries_again", what=details.name, attempt=details.retry_num, why=why, sqlstate=state, wait=wait)

    set_on_retry_hooks([PrometheusOnRetryHook, tell_of_retry])
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # what it says of lost connections, we say in our way
    as_text = chosen.log_format == "text" or (chosen.log_format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[chosen.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
