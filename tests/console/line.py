"""A line between the console and its API that loses what it carries, when it is told to."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.conftest import PLAIN

_NOT_PASSED_ON = {"host", "connection", "transfer-encoding", "content-length", "date", "server"}


class Line:
    """`loses`: what becomes of decisions (POST …/resolve that are no dry run) from now on.

    "question": they do not reach the API; "answer": the API decides, and the line breaks; "gateway": it decides, and
    somebody between answers 502. `holds`: their answers come once it is let go. `loses_uploads`: the same of files that are sent. `holds_uploads`: their answers come
    once it is let go; `uploads`: how many files have come. `url`: the API, through it.
    """

    def __init__(self, api: str) -> None:
        self.loses: str | None = None
        self.holds = threading.Lock()
        self.loses_uploads: str | None = None
        self.holds_uploads = threading.Lock()
        self.uploads = 0
        self.url = ""
        self._api = httpx.Client(base_url=api, timeout=30, **PLAIN)

    def close(self) -> None:
        """At the end."""
        self._api.close()

    def carry(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        is_decision = handler.path.endswith("/resolve") and b'"dry_run":true' not in body
        is_upload = handler.command == "POST" and handler.path.startswith("/v1/ingestions?")
        loses = self.loses if is_decision else self.loses_uploads if is_upload else None
        if loses == "question":
            handler.close_connection = True
            return
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _NOT_PASSED_ON}
        answer = self._api.request(handler.command, handler.path, content=body, headers=headers)
        if is_decision:
            with self.holds:
                pass
        if is_upload:
            self.uploads += 1
            with self.holds_uploads:
                pass
        if loses == "answer":
            assert answer.is_success or answer.status_code == 409, answer.text
            handler.close_connection = True
        elif loses == "gateway":
            _answer(handler, 502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>")
        else:
            _answer(handler, answer.status_code, answer.headers, answer.content)


def _answer(handler: BaseHTTPRequestHandler, status: int, headers: Any, body: bytes) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        if name.lower() not in _NOT_PASSED_ON | {"content-encoding"}:
            handler.send_header(name, value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def line_to(api: str) -> Generator[Line]:
    """A line to the API at that address, on a port of its own."""
    line = Line(api)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                line.carry(self)
            except OSError:
                self.close_connection = True

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's name
            """Nothing: tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    line.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield line
    finally:
        server.shutdown()
        server.server_close()
        line.close()
