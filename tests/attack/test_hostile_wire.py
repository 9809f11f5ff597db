"""Requests that no library would send: slow, cut short, smuggled. The API answers or hangs up, and is well."""

import time
from collections.abc import Callable, Iterator

import orjson
import pytest

from tests.api.answers import refused, rows
from tests.attack.hostile_wire import Reply, Wire, assert_well
from tests.conftest import Api, TestDatabase
from tests.events import sale

pytestmark = [pytest.mark.attack, pytest.mark.together]

LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = "smuggled"
HEAD_SECONDS = 20


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Api:
    """A process of its own, which waits two seconds for a body."""
    return start_api(new_database(), body_timeout_seconds="2")


@pytest.fixture(autouse=True)
def well(api: Api, tenant: str) -> Iterator[None]:
    """After each test the API is well, and nothing came in by the back door."""
    yield
    with api.client() as client:
        assert_well(api, client, tenant)
    assert rows(api.database, "SELECT 1 FROM bronze.events_raw WHERE event_id = %s", [SMUGGLED]) == []


def told_to(api: Api, *parts: bytes, head: bytes | None = None) -> list[Reply]:
    with Wire(api) as wire:
        wire.send(head if head is not None else wire.head(), *parts)
        return wire.replies()


def smuggled(api: Api, tenant: str) -> bytes:
    """A whole second request, hidden in the body of the first."""
    body = orjson.dumps(sale(tenant, SMUGGLED))
    with Wire(api) as wire:
        return wire.head("POST /v1/events HTTP/1.1", f"Content-Length: {len(body)}") + body


FRAMINGS = {
    "both, the chunks last": ("Content-Length: 5", "Transfer-Encoding: chunked"),
    "both, the length last": ("Transfer-Encoding: chunked", "Content-Length: 5"),
    "two lengths": ("Content-Length: 5", "Content-Length: 6"),
    "a list of lengths": ("Content-Length: 5, 6",),
    "a negative length": ("Content-Length: -5",),
    "a length with a sign": ("Content-Length: +5",),
    "a length in hexadecimal": ("Content-Length: 0x5",),
    "a length beyond all": ("Content-Length: 99999999999999999999999999",),
    "an unknown coding": ("Transfer-Encoding: xchunked",),
    "chunks that are not last": ("Transfer-Encoding: chunked, identity",),
    "a space before the colon": ("Transfer-Encoding : chunked", "Content-Length: 5"),
    "a folded header": ("X-A: b\r\n Transfer-Encoding: chunked", "Content-Length: 5", "Transfer-Encoding: chunked"),
    "a NUL in a header": ("X-A: \x00", "Content-Length: 5"),
    "a line feed alone": ("X-A: b\nTransfer-Encoding: chunked", "Content-Length: 5"),
    "a carriage return alone": ("X-A: b\rTransfer-Encoding: chunked", "Content-Length: 5"),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_where_a_body_ends_is_never_guessed(api: Api, tenant: str, name: str) -> None:
    """Whatever is behind the body of doubtful length is not taken for a request."""
    with Wire(api) as wire:
        head = wire.head("POST /v1/events HTTP/1.1", *FRAMINGS[name])
    replies = told_to(api, b"0\r\n\r\n" + smuggled(api, tenant), head=head)
    assert [reply.status for reply in replies] in ([400], [400, 400], []), replies


@pytest.mark.parametrize(
    "chunks",
    [b"ZZ\r\n", b"5\r\nab", b"-1\r\n\r\n", b"FFFFFFFFFFFFFFFFFF\r\n", b"2\r\nabXX\r\n", b"1;" + b"x" * 100_000],
)
def test_chunks_that_are_none(api: Api, chunks: bytes) -> None:
    with Wire(api) as wire:
        wire.send(wire.head("POST /v1/events HTTP/1.1", "Transfer-Encoding: chunked"), chunks)
        time.sleep(0.1)
        statuses = [reply.status for reply in wire.replies()]
    assert statuses in ([400], [408], []), statuses


def test_a_body_longer_or_shorter_than_it_says(api: Api, tenant: str) -> None:
    body = orjson.dumps(sale(tenant, "length"))
    with Wire(api) as wire:
        exact, less = (wire.head("POST /v1/events HTTP/1.1", f"Content-Length: {len(body) - cut}") for cut in (0, 9))
    assert [reply.status for reply in told_to(api, body, LIVE, head=exact)] == [201, 200]
    assert {reply.status for reply in told_to(api, body, head=less)} == {400}, "the rest is no request"
    with Wire(api) as wire:
        wire.send(wire.head("POST /v1/events HTTP/1.1", f"Content-Length: {len(body) + 9}"), body)
        (late,) = wire.replies() or [wire_reply(wire)]
    assert (late.status, late.reason()) == (408, "REQUEST_TIMEOUT")


def wire_reply(wire: Wire) -> Reply:
    """The answer that takes its time."""
    wire.connection.settimeout(10)
    (reply,) = wire.replies()
    return reply


def test_a_body_drop_by_drop(api: Api, tenant: str) -> None:
    body = orjson.dumps(sale(tenant, "slow"))
    with Wire(api) as wire:
        started = time.monotonic()
        wire.send(wire.head("POST /v1/events HTTP/1.1", f"Content-Length: {len(body)}"))
        wire.send(*(bytes([byte]) for byte in body[:40]), pause=0.1)
        reply = wire_reply(wire)
    assert (reply.status, reply.reason()) == (408, "REQUEST_TIMEOUT")
    assert time.monotonic() - started < 8
    with Wire(api) as wire:
        wire.send(wire.head("POST /v1/events HTTP/1.1", f"Content-Length: {len(body)}"))
        wire.send(*(body[at : at + 10] for at in range(0, len(body), 10)), pause=0.01)
        assert wire_reply(wire).status == 201, "slow, but in time"


def test_heads_drop_by_drop(api: Api) -> None:
    """They have their time; then the connection is closed, also where it had served a request before."""
    with Wire(api) as first, Wire(api) as later:
        later.send(LIVE)
        assert later.connection.recv(65_536).startswith(b"HTTP/1.1 200")
        started, waiting = time.monotonic(), [first, later]
        for wire in waiting:
            wire.connection.settimeout(1)
            wire.send(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        while waiting and time.monotonic() - started < HEAD_SECONDS + 10:
            for wire in waiting:
                wire.send(b"a")
            waiting = [wire for wire in waiting if not hung_up(wire)]
    assert HEAD_SECONDS - 1 < time.monotonic() - started < HEAD_SECONDS + 5


def hung_up(wire: Wire) -> bool:
    """Whether the other side has closed; waits a second for it."""
    try:
        return wire.connection.recv(65_536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "gzip, identity", "zstd", "br", "aes128gcm"])
@pytest.mark.parametrize("path", ["/v1/events", "/v1/events:batch"])
def test_packed_bodies(api: Api, path: str, encoding: str) -> None:
    bomb = b"\x1f\x8b\x08\x00" + b"\x00" * 1000
    with api.client() as client:
        refused(client.post(path, content=bomb, headers={"Content-Encoding": encoding}), 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "headers",
    [
        ("Expect: 100-continue",),
        ("Expect: 200-maybe",),
        ("Range: bytes=0-1", "If-None-Match: *"),
        ("Content-Type: " + "x" * 20_000,),
        ("Content-Type: \xff\xfe",),
        ("X-Request-Id: a\tb", "Traceparent: \x80"),
        tuple(f"X-{number}: a" for number in range(2_000)),
    ],
    ids=lambda headers: headers[0][:30],
)
def test_headers_that_ask_for_what_is_not_here(api: Api, tenant: str, headers: tuple[str, ...]) -> None:
    body = orjson.dumps(sale(tenant, "e"))
    with Wire(api) as wire:
        head = wire.head("POST /v1/events HTTP/1.1", f"Content-Length: {len(body)}", "Connection: close", *headers)
        wire.send(head, body)
        statuses = [reply.status for reply in wire.replies() if reply.status >= 200]
    assert statuses in ([201], [400], [415]), statuses


UPGRADES = {
    "websocket": ("Connection: Upgrade", "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13"),
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"),
}


@pytest.mark.parametrize("to", UPGRADES)
@pytest.mark.parametrize("pause", [0, 0.1])
def test_a_body_is_no_request_where_another_protocol_was_asked_for(
    api: Api, tenant: str, to: str, pause: float
) -> None:
    """What follows such a head is dropped, and the connection with it."""
    hidden = smuggled(api, tenant)
    with Wire(api) as wire:
        head = wire.head("POST /v1/events HTTP/1.1", f"Content-Length: {len(hidden)}", f"Upgrade: {to}", *UPGRADES[to])
        wire.send(head, hidden, pause=pause)
        assert [reply.status for reply in wire.replies()] == [400]
        assert hung_up(wire)
    with Wire(api) as wire:
        wire.send(wire.head("GET /livez HTTP/1.1", f"Upgrade: {to}", *UPGRADES[to]))
        assert [reply.status for reply in wire.replies()] == [200]


def test_many_requests_in_one_breath(api: Api) -> None:
    with Wire(api) as wire:
        wire.send(LIVE * 500)
        assert [reply.status for reply in wire.replies()] == [200] * 500
