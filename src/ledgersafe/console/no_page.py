"""Addresses that are of no page of the console: Streamlit would show its first page there, as if it was meant."""

from collections.abc import Awaitable, Collection
from html import escape
from pathlib import Path
from string import Template

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_PAGE = Template((Path(__file__).parent / "no_page.html").read_text(encoding="utf-8"))
_STREAMLITS = frozenset(
    {"_stcore", "static", "media", "component", "app", "auth", "oauth2callback", "favicon.png", "index.html"}
)
"""What it serves itself, by the first part of the path; downloads are among it, which browsers go to as to a page."""
_OURS = frozenset({"", "health", "livez", "sign-in", "sign-out"})
_MOST_CHARACTERS = 200


class OnlyPages:
    """ASGI middleware: who goes to an address of no page is told so. `pages`: the paths of those that there are."""

    def __init__(self, app: ASGIApp, pages: Collection[str]) -> None:
        self._app = app
        self._known = _OURS | frozenset(pages)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        answers = _no_page(scope["path"]) if self._is_none(scope) else self._app
        return answers(scope, receive, send)

    def _is_none(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return False
        path = scope["path"].strip("/")
        is_looked_at = "text/html" in Headers(scope=scope).get("accept", "")
        return is_looked_at and path not in self._known and path.split("/")[0] not in _STREAMLITS


def _no_page(path: str) -> HTMLResponse:
    return HTMLResponse(_PAGE.substitute(path=escape(path[:_MOST_CHARACTERS])), 404)
