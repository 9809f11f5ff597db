"""Where the API is for the commands, and what a person can do about its failures."""

from dataclasses import dataclass
from pathlib import Path

import typer

from ledgersafe.client.api import ANSWER_SECONDS, ApiClient, ApiError, ApiProblem, Unreachable
from ledgersafe.kernel.errors import ToldPlainly
from ledgersafe.kernel.reasons import TENANT_REQUIRED


class CliError(ToldPlainly):
    """What went wrong, where, and what to do about it. `exit_code` becomes the command's."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the API is and who asks. The root command puts one into `ctx.obj`.

    `data`: the folder in which `ledgersafe up` keeps its files, the development key among them.
    """

    url: str
    api_key: str | None
    data: Path

    def key(self) -> str | None:
        """The API key: the one given, else the development key. None: ask without one (auth may be off)."""
        return self.api_key or development_key(self.data)

    def client(self, *, seconds: float = ANSWER_SECONDS, connections: int = 10) -> ApiClient:
        """A client for the commands to use in a `with` block."""
        return ApiClient(self.url, self.key(), seconds=seconds, connections=connections)


def connection_of(ctx: typer.Context) -> Connection:
    """The connection that the root command has put into the context."""
    connection = ctx.find_object(Connection)
    if connection is None:
        raise TypeError("the root command must set ctx.obj to a Connection")
    return connection


def development_key(data: Path) -> str | None:
    """The key that `ledgersafe up` wrote to `<data>/key`, or None where there is no such file.

    Raises CliError where the file is there and cannot be read.
    """
    path = data / "key"
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"Cannot read the development key {path}: {error}.\nSet LEDGERSAFE_API_KEY instead.") from None


def told(error: ToldPlainly) -> str:
    """A failure in words, and what to do about it."""
    advice = _advice(error) if isinstance(error, ApiError) else None
    return f"{error}\n{advice}" if advice else str(error)


def _advice(error: ApiError) -> str | None:
    if isinstance(error, Unreachable):
        return (
            "Try again; `ledgersafe health` shows how it is."
            if error.late
            else "Start it with `ledgersafe up`, or set LEDGERSAFE_URL to where it runs."
        )
    if not isinstance(error, ApiProblem):
        return "The API's address and key are those of LEDGERSAFE_URL and LEDGERSAFE_API_KEY."
    if error.reason_code == TENANT_REQUIRED.code:
        return "Name the tenant with --tenant."
    if error.status == 401:
        return (
            "Set LEDGERSAFE_API_KEY to a valid key, or LEDGERSAFE_DATA to the folder of `ledgersafe up`, "
            "whose file `key` holds one."
        )
    if error.status == 503:
        return f"Try again in {error.retry_after or 1:g} seconds."
    return None
