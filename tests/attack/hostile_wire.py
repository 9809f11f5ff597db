"""Requests as bytes on a socket, for what no HTTP library would send; and whether the API is well afterwards."""

import contextlib
import itertools
import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.api.answers import told
from tests.conftest import Api
from tests.events import sale

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    def reason(self) -> str | None:
        """The reason code of a refusal, which must be problem+json."""
        if not self.body:
            return None
        assert self.headers["content-type"] == "application/problem+json", self.body
        return json.loads(self.body)["reason_code"]


@dataclass(slots=True)
class Wire:
    """A connection to the API."""

    api: Api
    seconds: float = 10
    connection: socket.socket = field(init=False)

    def __enter__(self) -> "Wire":
        parts = urlsplit(self.api.url)
        self.connection = socket.create_connection((parts.hostname, parts.port), timeout=self.seconds)
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def head(self, first_line: str = "POST /v1/events HTTP/1.1", *headers: str) -> bytes:
        """A request's head with the key, up to and with the empty line."""
        lines = [first_line, "Host: x", f"Authorization: Bearer {self.api.key}", *headers]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def send(self, *parts: bytes, pause: float = 0) -> None:
        """Send the parts; the other side may have hung up already."""
        with contextlib.suppress(OSError):
            for part in parts:
                self.connection.sendall(part)
                time.sleep(pause)

    def replies(self) -> list[Reply]:
        """Every answer until the other side is silent for a while or hangs up."""
        received = b""
        with contextlib.suppress(OSError):
            while chunk := self.connection.recv(65_536):
                received += chunk
                self.connection.settimeout(0.2)
        return list(_apart(received))


def _apart(received: bytes) -> Iterable[Reply]:
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        assert status.startswith("HTTP/1.1 "), received[:200]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0 if status.startswith("HTTP/1.1 1") else len(rest)))
        yield Reply(int(status.split(" ")[1]), headers, rest[:length])
        received = rest[length:]


def assert_well(api: Api, client: httpx.Client, tenant: str) -> None:
    """It is alive, and takes a plain event in."""
    assert client.get("/livez").status_code == 200
    event = sale(tenant, f"after-{next(_numbers)}")
    assert told(client.post("/v1/events", json=event)) == (201, "processed", None)
    assert api.process.poll() is None


def with_member(tenant: str, member: str, event_id: str = "hostile") -> bytes:
    """A valid event with one more member as it is spelled: `"name":value`."""
    return json.dumps(sale(tenant, event_id))[:-1].encode() + b"," + member.encode("utf-8", "surrogatepass") + b"}"


def with_value(tenant: str, name: str, value: str, event_id: str = "hostile") -> bytes:
    """A valid event with one of its members spelled otherwise."""
    event: dict[str, Any] = sale(tenant, event_id)
    event.pop(name, None)
    spelled = json.dumps(event, ensure_ascii=False)[:-1] + f', "{name}": {value}}}'
    return spelled.encode("utf-8", "surrogatepass")
