"""The API as the commands see it: answers are parsed JSON, and every failure is a `CliError` a person can act on."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit

import httpx
import orjson
import typer

from ledgersafe.kernel.reasons import TENANT_REQUIRED

ANSWER_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_KEEPING_SECONDS = 900.0
"""How long a large file may take, once it is sent, to be kept for good."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Parameters = Mapping[str, str | int | None]
"""Query parameters; those that are None are left out."""


class CliError(Exception):
    """What went wrong, where, and what to do about it. `exit_code` becomes the command's."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class ApiProblem(CliError):
    """The API answered with a problem (RFC 9457). `reason_code` is None where the answer named none."""

    def __init__(self, message: str, *, status: int, reason_code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.reason_code = reason_code


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

    def client(self, *, seconds: float = ANSWER_SECONDS, connections: int = 10) -> "ApiClient":
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


class ApiClient:
    """A keep-alive HTTP client with the API's address and key; may be shared by threads. Use it in a `with` block."""

    def __init__(
        self, url: str, api_key: str | None, *, seconds: float = ANSWER_SECONDS, connections: int = 10
    ) -> None:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
        if scheme not in {"http", "https"} or not host:
            raise CliError(f"LEDGERSAFE_URL is {url!r}, expected an address such as http://127.0.0.1:8000.")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise CliError("The API key holds characters that no key has: was LEDGERSAFE_API_KEY pasted whole?")
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Accept": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {}),
            timeout=httpx.Timeout(seconds, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            verify=scheme == "https",  # otherwise the machine's certificates would be loaded for nothing
            trust_env=host not in _LOOPBACK,  # a proxy of the environment does not know our loopback
        )

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._http.close()

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        """The JSON answer to a GET. Raises CliError, ApiProblem."""
        return read_answer(self.get_raw(path, parameters))

    def get_raw(self, path: str, parameters: Parameters | None = None) -> httpx.Response:
        """The successful answer to a GET, for who needs its exact bytes. Raises CliError, ApiProblem."""
        present = {name: value for name, value in (parameters or {}).items() if value is not None}
        try:
            response = self._http.get(path, params=present)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None
        if response.is_success:
            return response
        raise problem(response)

    @contextmanager
    def download(self, path: str, parameters: Parameters) -> Generator[tuple[Mapping[str, str], Iterator[bytes]]]:
        """The headers and the body of a successful answer to a GET, in pieces: it may be of any size.

        Raises CliError, ApiProblem; in the middle too, where the answer is cut off.
        """
        present = {name: value for name, value in parameters.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=present) as response:
                if not response.is_success:
                    response.read()
                    raise problem(response)
                yield response.headers, response.iter_bytes()
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None

    def post(self, path: str, content: Mapping[str, Any], parameters: Parameters | None = None) -> Any:
        """The JSON answer to a POST of JSON. Raises CliError, ApiProblem."""
        return self.send("POST", path, content, parameters)

    def send(self, method: str, path: str, content: Mapping[str, Any], parameters: Parameters | None = None) -> Any:
        """The JSON answer to JSON sent by any method. Raises CliError, ApiProblem."""
        present = {name: value for name, value in (parameters or {}).items() if value is not None}
        body = orjson.dumps(content)
        json = {"Content-Type": "application/json"}
        try:
            response = self._http.request(method, path, params=present, content=body, headers=json)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None
        if response.is_success:
            return read_answer(response)
        raise problem(response)

    def upload(self, path: str, pieces: Iterator[bytes], size: int, parameters: Parameters) -> Any:
        """The JSON answer to a POST of `size` bytes that are sent as they come.

        Raises CliError, ApiProblem, and what `pieces` raises: then the server has nothing of it.
        """
        present = {name: value for name, value in parameters.items() if value is not None}
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        timeout = httpx.Timeout(_KEEPING_SECONDS, connect=_CONNECT_SECONDS)
        try:
            response = self._http.post(path, params=present, content=pieces, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None
        if response.is_success:
            return read_answer(response)
        raise problem(response)

    def post_raw(self, path: str, body: bytes, content_type: str) -> httpx.Response:
        """The plain answer to a POST, whatever its status. Raises httpx.HTTPError: the caller decides on retries."""
        return self._http.post(path, content=body, headers={"Content-Type": content_type})

    def unreachable(self, error: httpx.HTTPError) -> CliError:
        """What to tell a person when no answer came."""
        if isinstance(error, httpx.ReadTimeout):
            return CliError(f"{self.url} did not answer in time. Try again; `ledgersafe health` shows how it is.")
        return CliError(
            f"Cannot reach {self.url}: {str(error) or type(error).__name__}.\n"
            "Start it with `ledgersafe up`, or set LEDGERSAFE_URL to where it runs."
        )


def read_answer(response: httpx.Response) -> Any:
    """The JSON value of an answer. Raises CliError where it is none: something else answers at that address."""
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise CliError(
            f"{response.url} answered HTTP {response.status_code} with something that is not JSON.\n"
            "Is LEDGERSAFE_URL the address of a Ledgersafe API?"
        ) from None


def problem(response: httpx.Response) -> ApiProblem:
    """An answer that is no success, in words: what, where, and what to do."""
    reason_code, detail = problem_parts(response)
    where = f"{response.request.method} {response.request.url}: HTTP {response.status_code}"
    advice = _advice(response, reason_code)
    faults = "".join(f"\n  {fault}" for fault in _faults(response))
    message = f"{detail} ({reason_code + ', ' if reason_code else ''}{where}){faults}" + (
        f"\n{advice}" if advice else ""
    )
    return ApiProblem(message, status=response.status_code, reason_code=reason_code)


def problem_parts(response: httpx.Response) -> tuple[str | None, str]:
    """(reason code or None, what happened) of a problem+json answer, or the best that another answer offers."""
    try:
        parsed: Any = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        parsed = None
    members = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    code = members.get("reason_code")
    detail = members.get("detail") or members.get("title") or response.reason_phrase or "The request failed."
    return (code if isinstance(code, str) else None), str(detail)


def _faults(response: httpx.Response) -> list[str]:
    """What is wrong with the event that the request was about, one line a fault."""
    try:
        parsed: Any = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return []
    listed: Any = cast("dict[str, Any]", parsed).get("details") if isinstance(parsed, dict) else None
    faults = cast("list[dict[str, Any]]", listed) if isinstance(listed, list) else []
    return [f"{fault.get('reason_code')} {fault.get('path')}: {fault.get('message')}" for fault in faults]


def retry_after(response: httpx.Response) -> float | None:
    """The seconds of the Retry-After header, where it is there and a number."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _advice(response: httpx.Response, reason_code: str | None) -> str | None:
    if reason_code == TENANT_REQUIRED.code:
        return "Name the tenant with --tenant."
    if response.status_code == 401:
        return (
            "Set LEDGERSAFE_API_KEY to a valid key, or LEDGERSAFE_DATA to the folder of `ledgersafe up`, "
            "whose file `key` holds one."
        )
    if response.status_code == 503:
        return f"Try again in {retry_after(response) or 1:g} seconds."
    return None
