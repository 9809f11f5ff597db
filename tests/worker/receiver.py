"""A receiver of webhooks for tests: a real HTTP server on loopback that behaves as it is told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver:
    """`answers`: the statuses of the next answers, then 204 for ever; "hang" and "drip" answer too slowly."""

    def __init__(self) -> None:
        self.secret = ""
        self.answers: list[int | str] = []
        self.got: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.refused: list[str] = []
        self.paths: list[str] = []
        self.url = ""
        self.leave = threading.Event()

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.paths.append(handler.path)
        try:
            told = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError as error:
            self.refused.append(str(error))
            told = json.loads(body)
        self.got.append((headers["webhook-id"], told, headers))
        answer = self.answers.pop(0) if self.answers else 204
        if answer == "hang":
            self.leave.wait(30)
        elif answer == "drip":
            while not self.leave.wait(0.05):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nX" if not handler.wfile.closed else b"")
        else:
            handler.send_response(int(answer))
            handler.send_header("location", f"{self.url}/elsewhere")
            handler.send_header("content-length", "0")
            handler.end_headers()

    def ids(self) -> list[str]:
        return [message_id for message_id, _, _ in self.got]

    def wait_for(self, number: int, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while len(self.got) < number and time.monotonic() < end:
            time.sleep(0.02)
        assert len(self.got) >= number, self.got


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                receiver.take(self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's name
            """Nothing: tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.leave.set()
        server.shutdown()
        server.server_close()
