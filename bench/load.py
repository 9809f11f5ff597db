"""The load generator: so many connections, each with one request under way. The same for everybody; loopback only.

A process of its own. It reads a Spec as one line of JSON, gets ready, says so, and waits for a line; after the
lead-in it says that it measures, then that it has measured, and when all is answered it prints a Result. It lives on
until its input is closed, so that its processor time can be read.
"""

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import uvloop

from bench.events import Keys, body_maker


@dataclass(frozen=True, slots=True)
class Spec:
    """What to send. `pause`: seconds between an answer and the next request of a connection."""

    url: str
    key: str
    path: Literal["/v1/events", "/v1/events:batch", "/v1/health"] = "/v1/events"
    tenant: str = "bench"
    keys: Keys = "random"
    connections: int = 64
    seconds: float = 4.0
    lead_in: float = 0.5
    pause: float = 0.0
    batch: int = 1
    prepared: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What was answered in the time; rates are of events (for health: of answers)."""

    rate: float
    p50_ms: float
    p99_ms: float
    codes: dict[str, int]
    per_second: list[int]


class _Load:
    """What the connections share: where requests come from, and what was measured."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.next_request = _requests(spec)
        self.latencies: list[float] = []
        self.codes: Counter[bytes] = Counter()
        self.begin = self.end = float("inf")
        self.under_way = 0
        self.per_second = [0] * (int(spec.seconds) + 1)
        self.connections: list[_Connection] = []
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()

    def answered(self, started: float, now: float, data: bytes, body_at: int) -> bool:
        """Note an answer; whether to go on."""
        code = data[9:12]
        if self.spec.batch > 1 and code == b"200" and data.count(b'"status":201', body_at) != self.spec.batch:
            code = b"200 with refused items"
        self.codes[code] += 1
        self.under_way -= 1
        if self.begin <= now < self.end:
            self.latencies.append(now - started)
            self.per_second[int(now - self.begin)] += 1
        return now < self.end

    def fail(self, why: str) -> None:
        """Give up."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))

    def fail_with(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Give up because of our own fault."""
        del loop
        self.fail(f"{context.get('message')} {context.get('exception')!r}")


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    __slots__ = ("_buffer", "_load", "_started", "_transport", "answers")

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = b""
        self._started = 0.0
        self.answers: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if time.perf_counter() < self._load.end:
            self._load.fail("the server closed a connection")

    def post(self) -> None:
        """Send the next request."""
        request = self._load.next_request()
        self._load.under_way += 1
        self._started = time.perf_counter()
        self._transport.write(request)

    def _post_again(self) -> None:
        if time.perf_counter() < self._load.end:
            self.post()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            self._buffer = data
            return
        at = data.find(b"ontent-length: ", 0, head)
        if at < 0:
            at = data.lower().find(b"ontent-length: ", 0, head)
        if len(data) < head + 4 + int(data[at + 15 : data.find(b"\r", at)]):
            self._buffer = data
            return
        self._buffer = b""
        load, now = self._load, time.perf_counter()
        if load.spec.batch > 1:
            self.answers.append(now)
        if not load.answered(self._started, now, data, head):
            return
        if load.spec.pause:
            self._load.loop.call_later(load.spec.pause, self._post_again)
        else:
            self.post()


def _requests(spec: Spec) -> Callable[[], bytes]:
    """A function that returns the bytes of the next request; batches are made ahead, as far as they are prepared."""
    head = f"Host: bench\r\nAuthorization: Bearer {spec.key}\r\n".encode()
    if spec.path == "/v1/health":
        request = b"GET /v1/health HTTP/1.1\r\n" + head + b"\r\n"
        return lambda: request
    new_body = body_maker(spec.tenant, spec.keys)
    if spec.batch == 1:
        size = len(new_body())
        start = b"POST /v1/events HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            head,
            size,
        )
        return lambda: start + new_body()
    size = (len(new_body()) + 1) * spec.batch
    start = b"POST /v1/events:batch HTTP/1.1\r\n%sContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % (
        head,
        size,
    )

    def new_batch() -> bytes:
        return b"".join((start, *(new_body() + b"\n" for _ in range(spec.batch))))

    prepared = [new_batch() for _ in range(spec.prepared)]
    return lambda: prepared.pop() if prepared else new_batch()


async def _run(spec: Spec) -> Result:
    parts = urlsplit(spec.url)
    if parts.hostname != "127.0.0.1" or parts.port is None:
        raise SystemExit("the load goes to loopback only")
    loop = asyncio.get_running_loop()
    load = _Load(spec)
    loop.set_exception_handler(load.fail_with)
    for _ in range(spec.connections):
        _, connection = await loop.create_connection(lambda: _Connection(load), parts.hostname, parts.port)
        load.connections.append(connection)
    gc.collect()
    gc.disable()
    print("ready", flush=True)
    sys.stdin.readline()
    for number, connection in enumerate(load.connections):
        loop.call_later(spec.pause * number / spec.connections, connection.post)
    await _sleep(load, spec.lead_in)
    load.begin = time.perf_counter()
    load.end = load.begin + spec.seconds
    print("measuring", flush=True)
    await _sleep(load, spec.seconds)
    print("measured", flush=True)
    while load.under_way:  # nobody's request is left for the next run to trip over
        await _sleep(load, 0.01)
    return _result(load)


async def _sleep(load: _Load, seconds: float) -> None:
    """Let the load run; raises what it failed with."""
    await asyncio.wait({load.done}, timeout=seconds)
    if load.done.done():
        load.done.result()


def _result(load: _Load) -> Result:
    latencies, spec = sorted(load.latencies), load.spec
    if not latencies:
        raise RuntimeError(f"no request was answered in {spec.seconds} s")
    return Result(
        rate=_rate_of_batches(load) if spec.batch > 1 else len(latencies) / spec.seconds,
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[int(len(latencies) * 0.99)],
        codes={code.decode(): number for code, number in load.codes.items()},
        per_second=[number * spec.batch for number in load.per_second],
    )


def _rate_of_batches(load: _Load) -> float:
    """Events a second, to a fraction of a batch: each connection's, from its first answer in the time to its last."""
    rate = 0.0
    for connection in load.connections:
        inside = [at for at in connection.answers if load.begin <= at < load.end]
        whole = len(inside) / load.spec.seconds  # all that can be said of so few
        rate += (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 2 else whole
    return rate * load.spec.batch


def main() -> None:
    """Serve one Spec."""
    result = uvloop.run(_run(Spec(**json.loads(sys.stdin.readline()))))
    print(json.dumps(asdict(result)), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
