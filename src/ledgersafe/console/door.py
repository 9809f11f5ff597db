"""The console's door: who has not signed in sees the sign-in page, and nothing else of it."""

import asyncio
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledgersafe.client.api import ApiError, ApiProblem, Unreachable, without_password
from ledgersafe.console.sessions import COOKIE, LIVES_SECONDS, SessionClient, Sessions, Who

_PAGE = Template((Path(__file__).parent / "sign_in.html").read_text(encoding="utf-8"))
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OPEN = frozenset({"/sign-in", "/sign-out", "/livez"})
_MOST_FORM_BYTES = 16_384
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Of the pages: Streamlit styles in lines and its charts evaluate expressions, but nothing is asked of other sites."""


class Doorkeeper:
    """ASGI middleware: sends who has no session to the sign-in page, and lets no WebSocket of theirs in.

    Who has one acts only from pages of this origin: a cookie is shown to all ports of its host. No page may be framed.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if scope["path"] in _OPEN:
            await self._app(scope, receive, send)
        elif (acts := _acts(scope)) and not _is_of_this_page(connection):
            await _refused(scope, PlainTextResponse("This came from another site.", 403))(scope, receive, send)
        elif self._sessions.find(session_cookie(connection)) is None:
            await _refused(scope, _turned_away(connection, acts))(scope, receive, send)
        else:
            await self._app(scope, receive, _confined(send))


class Door:
    """The routes of signing in and out. `lets_all_in`: an API without authentication may be shown to everybody here."""

    def __init__(self, url: str, sessions: Sessions, *, lets_all_in: bool) -> None:
        self._url = url
        self._shown_url = without_password(url)
        self._sessions = sessions
        self._lets_all_in = lets_all_in

    def routes(self) -> Sequence[Route]:
        """For the application."""
        return (
            Route("/sign-in", self._show, methods=["GET"]),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/sign-out", _first_page, methods=["GET"]),
            Route("/livez", _alive, methods=["GET"]),
            Route("/health", _first_page, methods=["GET"]),
        )

    async def _show(self, request: Request) -> Response:
        target = _target(request.query_params.get("next"))
        lets_all_in = self._lets_all_in and _host(request) in LOOPBACK
        if lets_all_in and (entered := await asyncio.to_thread(self._enter, None, request, target)) is not None:
            return entered
        return self._page(target, None, 200)

    async def _sign_in(self, request: Request) -> Response:
        form = await _form(request)
        target = _target(form.get("next"))
        if not _is_of_this_page(request):
            return self._page(target, "This form came from another site. Sign in here.", 403)
        key = form.get("key", "").strip()
        if not key:
            return self._page(target, "Paste an API key.", 422)
        try:
            entered = await asyncio.to_thread(self._enter, key, request, target)
        except ApiError as error:
            status, message = _why_not(error, self._shown_url)
            return self._page(target, message, status)
        return entered or self._page(target, _UNKNOWN, 401)

    async def _sign_out(self, request: Request) -> Response:
        if not _is_of_this_page(request):
            return self._page("/", "This form came from another site. You are still signed in.", 403)
        self._sessions.close(session_cookie(request))
        response = RedirectResponse("/sign-in", status_code=303)
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return response

    def _enter(self, key: str | None, request: Request, target: str) -> Response | None:
        """Let somebody in whose key the API knows; None where it does not. Raises ApiError, but not without a key."""
        client = SessionClient(self._url, key)
        try:
            who = _who(client.get("/v1/whoami"))
        except ApiError as error:
            if key is None or (isinstance(error, ApiProblem) and error.status == 401):
                return None
            raise
        self._sessions.close(session_cookie(request))  # no longer held by any browser: its cookie is replaced
        token = self._sessions.open(client, who)
        response = RedirectResponse(target, status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, max_age=LIVES_SECONDS, httponly=True, samesite="lax", secure=secure)
        return response

    def _page(self, target: str, trouble: str | None, status: int) -> Response:
        told = f'<p class="trouble" role="alert">{escape(trouble)}</p>' if trouble else ""
        page = _PAGE.substitute(next=escape(target), trouble=told, url=escape(self._shown_url))
        return HTMLResponse(page, status, headers=_HEADERS)


_UNKNOWN = "The API does not know this key: it was mistyped, has expired or was revoked."


def _who(answer: Any) -> Who:
    try:
        tenant_ids = None if answer["tenant_ids"] is None else tuple(answer["tenant_ids"])
        return Who(answer["actor"], tenant_ids, frozenset(answer["scopes"]))
    except (KeyError, TypeError):
        raise ApiError("Its answer is not that of a Ledgersafe API.") from None


def session_cookie(connection: HTTPConnection) -> str | None:
    """What the browser holds of ours."""
    return connection.cookies.get(COOKIE)


def _why_not(error: ApiError, url: str) -> tuple[int, str]:
    match error:
        case Unreachable():
            return 502, f"The API at {url} does not answer: {error.message} Try again once it is up."
        case ApiProblem(status=403):
            return 403, "This key may not read. Use one with the scope read, and operate to decide on exceptions."
        case ApiProblem():
            return 502, f"The API says: {error.detail}"
        case _:
            return 422, error.message


def _acts(scope: Scope) -> bool:
    """Whether more is wanted than to look at a page: the WebSocket counts, as everything is done over it."""
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")


def _refused(scope: Scope, response: Response) -> ASGIApp:
    return _hang_up if scope["type"] == "websocket" else response


async def _hang_up(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "websocket.close", "code": 4401})  # before it is accepted: the browser sees a 403


def _turned_away(connection: HTTPConnection, acts: bool) -> Response:
    if acts or "text/html" not in connection.headers.get("accept", ""):
        return PlainTextResponse("Sign in first: /sign-in", 401)
    query = f"?{connection.url.query}" if connection.url.query else ""
    return RedirectResponse(f"/sign-in?next={quote(connection.url.path + query, safe='')}", status_code=303)


def _confined(send: Send) -> Send:
    """Answers with the headers that keep our pages from asking other sites, and those from showing ours as theirs."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = _POLICY
            headers["X-Frame-Options"] = "DENY"
            headers["Referrer-Policy"] = "same-origin"
        await send(message)

    return sending


def _target(wanted: str | None) -> str:
    """A page of this console: never another site, however it is spelled."""
    text = wanted or "/"
    is_ours = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_ours and text.isprintable() and len(text) <= 4_000 else "/"


def _is_of_this_page(connection: HTTPConnection) -> bool:
    """Whether the browser says that a page of ours sent this; one that says nothing is too old to say it."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")


def _host(connection: HTTPConnection) -> str | None:
    """The name by which the browser found us, without its port."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname
    except ValueError:
        return None


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; of one that is too large, or cut off, none."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_FORM_BYTES:
                return {}
    except ClientDisconnect:
        return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


async def _alive(request: Request) -> Response:
    del request
    return PlainTextResponse("alive")


async def _first_page(request: Request) -> Response:
    """Health is the first page, which Streamlit knows by no other address; people type its name all the same.

    And by an address alone nobody is signed out.
    """
    return RedirectResponse(f"/?{request.url.query}" if request.url.query else "/", status_code=303)
