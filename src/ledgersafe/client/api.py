"""Ask the API: answers are parsed JSON, and every failure is an `ApiError` with words for a person."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self, cast
from urllib.parse import quote, urlsplit

import httpx
import orjson

from ledgersafe.kernel.errors import ToldPlainly

ANSWER_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_KEEPING_SECONDS = 900.0
"""How long a large file may take, once it is sent, to be kept for good."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Parameters = Mapping[str, str | int | list[int] | None]
"""Query parameters; those that are None are left out, a list is said one by one."""


class ApiError(ToldPlainly):
    """No success: what went wrong, and where."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unreachable(ApiError):
    """No answer came. `late`: none in time; otherwise there was nobody to ask, or the line broke."""

    def __init__(self, message: str, *, late: bool) -> None:
        super().__init__(message)
        self.late = late


class ApiProblem(ApiError):
    """The API answered with a problem (RFC 9457).

    `reason_code` is None where the answer named none; `detail` is what it said; `faults` is what is wrong with the
    event that the request was about, a line each; `retry_after` is in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason_code: str | None,
        detail: str,
        faults: Sequence[str] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason_code = reason_code
        self.detail = detail
        self.faults = tuple(faults)
        self.retry_after = retry_after


class ApiClient:
    """A keep-alive HTTP client with the API's address and key; may be shared by threads. Use it in a `with` block."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        seconds: float = ANSWER_SECONDS,
        connections: int = 10,
        line: httpx.Client | None = None,
    ) -> None:
        """`line`: one of `new_line`, shared with others, each of whom sends a key of their own over it."""
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise ApiError("The API key holds characters that no key has: was it pasted whole?")
        self.url = without_password(url.rstrip("/"))
        self._key = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        address = self.url if api_key else url  # who stands in it would be sent in the place of the key
        self._http = line or new_line(address, seconds=seconds, connections=connections)

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._http.close()

    def get(self, path: str, parameters: Parameters | None = None, *, seconds: float | None = None) -> Any:
        """The JSON answer to a GET. `seconds`: how long it may take, where it may take longer than others.

        Raises ApiError, ApiProblem.
        """
        return read_answer(self.get_raw(path, parameters, seconds=seconds))

    def get_raw(
        self, path: str, parameters: Parameters | None = None, *, seconds: float | None = None
    ) -> httpx.Response:
        """The successful answer to a GET, for who needs its exact bytes. Raises ApiError, ApiProblem."""
        present = {name: value for name, value in (parameters or {}).items() if value is not None}
        timeout = httpx.USE_CLIENT_DEFAULT if seconds is None else httpx.Timeout(seconds, connect=_CONNECT_SECONDS)
        return self._successful("GET", path, params=present, timeout=timeout)

    @contextmanager
    def download(self, path: str, parameters: Parameters) -> Generator[tuple[Mapping[str, str], Iterator[bytes]]]:
        """The headers and the body of a successful answer to a GET, in pieces: it may be of any size.

        Raises ApiError, ApiProblem; in the middle too, where the answer is cut off.
        """
        present = {name: value for name, value in parameters.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=present, headers=self._key) as response:
                if not response.is_success:
                    response.read()
                    raise problem(response)
                yield response.headers, response.iter_bytes()
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None

    def post(self, path: str, content: Mapping[str, Any], parameters: Parameters | None = None) -> Any:
        """The JSON answer to a POST of JSON. Raises ApiError, ApiProblem."""
        return self.send("POST", path, content, parameters)

    def send(self, method: str, path: str, content: Mapping[str, Any], parameters: Parameters | None = None) -> Any:
        """The JSON answer to JSON sent by any method. Raises ApiError, ApiProblem."""
        present = {name: value for name, value in (parameters or {}).items() if value is not None}
        body = orjson.dumps(content)
        json = {"Content-Type": "application/json"}
        return read_answer(self._successful(method, path, params=present, content=body, headers=json))

    def upload(self, path: str, pieces: Iterator[bytes], size: int, parameters: Parameters) -> Any:
        """The JSON answer to a POST of `size` bytes that are sent as they come.

        Raises ApiError, ApiProblem, and what `pieces` raises: then the server has nothing of it.
        """
        present = {name: value for name, value in parameters.items() if value is not None}
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        timeout = httpx.Timeout(_KEEPING_SECONDS, connect=_CONNECT_SECONDS)
        answer = self._successful("POST", path, params=present, content=pieces, headers=headers, timeout=timeout)
        return read_answer(answer)

    def post_raw(self, path: str, body: bytes, content_type: str) -> httpx.Response:
        """The plain answer to a POST, whatever its status. Raises httpx.HTTPError: the caller decides on retries."""
        return self._asked("POST", path, content=body, headers={"Content-Type": content_type})

    def _successful(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._asked(method, path, **request)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from None
        if response.is_success:
            return response
        raise problem(response)

    def _asked(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        """The answer, whatever it is, to a request with our key. Raises httpx.HTTPError."""
        return self._http.request(method, path, headers={**self._key, **(headers or {})}, **request)

    def unreachable(self, error: httpx.HTTPError) -> "Unreachable":
        """What it is when no answer came."""
        if isinstance(error, httpx.ReadTimeout | httpx.PoolTimeout):
            return Unreachable(f"{self.url} did not answer in time.", late=True)
        return Unreachable(f"Cannot reach {self.url}: {str(error) or type(error).__name__}.", late=False)


def new_line(url: str, *, seconds: float = ANSWER_SECONDS, connections: int = 10) -> httpx.Client:
    """Kept-alive connections to the API at this address, without a key, and without cookies, which are of one asker.

    Raises ApiError where that is no address.
    """
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        scheme, host = "", None
    if scheme not in {"http", "https"} or not host:
        address = without_password(url)
        raise ApiError(f"The address of the API is {address!r}, expected one such as http://127.0.0.1:8000.")
    return httpx.Client(
        base_url=url.rstrip("/"),
        headers={"Accept": "application/json"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=httpx.Timeout(seconds, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        verify=scheme == "https",  # otherwise the machine's certificates would be loaded for nothing
        trust_env=host not in _LOOPBACK,  # a proxy of the environment does not know our loopback
    )


def in_path(text: str) -> str:
    """A text, such as an id, as one step of a path; also where it is of dots, which are folded with what is before."""
    return quote(text, safe="") if text.strip(".") else "%2E" * len(text)


def without_password(url: str) -> str:
    """An address as people may read it: who and whose password stands in it is left out."""
    before, _, rest = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return f"{scheme}://{rest}" if slashes else rest


def read_answer(response: httpx.Response) -> Any:
    """The JSON value of an answer. Raises ApiError where it is none: something else answers at that address."""
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise ApiError(
            f"{without_password(str(response.url))} answered HTTP {response.status_code} with something that is not "
            "JSON.\nIs it the address of a Ledgersafe API?"
        ) from None


def problem(response: httpx.Response) -> ApiProblem:
    """An answer that is no success, in words: what, and where."""
    reason_code, detail = problem_parts(response)
    where = f"{response.request.method} {without_password(str(response.url))}: HTTP {response.status_code}"
    faults = _faults(response)
    message = f"{detail} ({reason_code + ', ' if reason_code else ''}{where})" + "".join(f"\n  {one}" for one in faults)
    return ApiProblem(
        message,
        status=response.status_code,
        reason_code=reason_code,
        detail=detail,
        faults=faults,
        retry_after=retry_after(response),
    )


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
