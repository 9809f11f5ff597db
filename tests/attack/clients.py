"""Clients that write down what they are told before anything is judged, and send again what was not answered."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from threading import Thread
from typing import Any

import orjson

from tests.attack.traffic import Event, Traffic

_CLIENTS = 12
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """An acknowledgement: what was sent, byte by byte, and what became of it. `sent_at`: monotonic seconds."""

    tenant: str
    event_id: str
    body: bytes
    status: int
    result: str
    raw_id: str
    reason: str | None
    exception_id: str | None
    sent_at: float


@dataclass(slots=True)
class Log:
    """What the clients of one test sent and learnt, in the order in which they learnt it.

    `sent`: how often each event went out. `refused`: what the door sent back for good (4xx). `unsure`: how often a
    request had to be sent again, by why. `odd`: answers that no client should ever get.
    """

    sent: Counter[Event] = field(default_factory=Counter[Event])
    told: list[Told] = field(default_factory=list[Told])
    refused: Counter[Event] = field(default_factory=Counter[Event])
    unsure: Counter[str] = field(default_factory=Counter[str])
    odd: list[str] = field(default_factory=list[str])
    slowest_refusal: float = 0.0

    def settle(self, event: Event, status: int, item: dict[str, Any], sent_at: float) -> bool:
        """Note what became of one event; whether it is settled, or has to be sent again."""
        if status == 503:
            return False
        if event.event_id is None and 400 <= status < 500:
            self.refused[event] += 1
        elif event.event_id is not None and status in (200, 201, 202) and item.get("raw_id"):
            known = (item["result"], item["raw_id"], item["reason_code"], item["exception_id"])
            self.told.append(Told(event.tenant, event.event_id, event.body, status, *known, sent_at))
        else:
            self.odd.append(f"{status} {item} to {event}")
        return True

    def summary(self) -> str:
        """In numbers."""
        results = Counter(f"{told.status} {told.result}" for told in self.told)
        return f"sent {self.sent.total()}, told {dict(results)}, refused {self.refused.total()}, unsure {dict(self.unsure)}"


@dataclass(slots=True)
class Answer:
    """A whole answer of HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    def is_a_proper_503(self) -> bool:
        """As the documents promise it."""
        media_type = self.headers.get("content-type")
        return media_type == "application/problem+json" and int(self.headers.get("retry-after", "0")) > 0


class Wire:
    """A kept connection to one process; made anew after it broke."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self) -> None:
        """Raises OSError where nobody listens."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, body: bytes, media_type: str) -> Answer:
        """Raises OSError, EOFError or TimeoutError where there was no whole answer."""
        await self.connect()
        assert self._streams is not None
        reader, writer = self._streams
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                writer.write(head.encode() + body)
                return await _read_answer(reader)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Hang up."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(head[0].split()[1]), headers, body)


@dataclass(slots=True, eq=False)
class Flight:
    """A request under way: to which port, and how it ended ("answered", "503", or how its connection broke)."""

    port: int
    fate: str | None = None


class Load:
    """Several clients of several processes on a thread of their own; started once, then drained.

    `pause`: seconds that a client waits between two requests. `again`: between two tries of one.
    """

    def __init__(
        self, ports: Sequence[int], key: str, log: Log, traffic: Traffic | None = None, *, clients: int = _CLIENTS,
        pause: float = 0.0, again: float = 0.1, seed: int = 0,
    ) -> None:  # fmt: skip
        self._ports = list(ports)
        self._key = key
        self._log = log
        self._traffic = traffic
        self._clients = clients
        self._pause = pause
        self._again = again
        self._random = Random(seed)  # noqa: S311 - it chooses whom to ask, and must be repeatable
        self._flights: set[Flight] = set()
        self._draining = traffic is None
        self._given_up = False
        self._failure: Exception | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._first: list[list[Event]] = []

    def start(self, first: Sequence[list[Event]] = ()) -> "Load":
        """Begin; `first` are requests that are sent before the traffic's."""
        self._first = list(first)
        self._thread.start()
        return self

    def flying(self, port: int | None = None) -> list[Flight]:
        """Requests sent and not answered at this moment."""
        return [flight for flight in self._flights.copy() if port in (None, flight.port)]

    def drain(self, seconds: float = 90) -> None:
        """Send nothing new; returns when every event is settled. Raises TimeoutError, and what went wrong in it."""
        self._draining = True
        self._thread.join(seconds)
        if self._failure is not None:
            raise self._failure
        if self._thread.is_alive():
            raise TimeoutError(f"not everything was answered within {seconds} s: {self._log.summary()}")

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        """A test that failed leaves no clients behind."""
        self._draining = self._given_up = True
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # noqa: BLE001 - it is raised where the load is drained
            self._failure = error

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._clients)))

    async def _client(self) -> None:
        wires = {port: Wire(port, self._key) for port in self._ports}
        while events := self._next():
            while events and not self._given_up:
                events = await self._attempt(wires[self._random.choice(self._ports)], events)
                await asyncio.sleep(self._again * self._random.random() if events else self._pause)
        for wire in wires.values():
            await wire.close()

    def _next(self) -> list[Event]:
        if self._first:
            return self._first.pop()
        return [] if self._draining or self._traffic is None else self._traffic.request()

    async def _attempt(self, wire: Wire, events: list[Event]) -> list[Event]:
        """Send once; returns what is not settled."""
        try:
            await wire.connect()
        except OSError:
            self._log.unsure["nobody listens"] += 1
            return events
        flight = Flight(wire._port)
        self._log.sent.update(events)
        self._flights.add(flight)
        began = time.monotonic()
        try:
            answer = await self._post(wire, events)
            flight.fate = "503" if answer.status == 503 else "answered"
        except (OSError, EOFError, TimeoutError) as error:
            flight.fate = type(error).__name__
            self._log.unsure[flight.fate] += 1
            return events
        finally:
            self._flights.discard(flight)
        left = self._note(answer, events, began)
        if left:
            self._log.slowest_refusal = max(self._log.slowest_refusal, time.monotonic() - began)
        return left

    async def _post(self, wire: Wire, events: list[Event]) -> Answer:
        if len(events) == 1:
            return await wire.post("/v1/events", events[0].body, "application/json")
        lines = b"\n".join(event.body for event in events)
        return await wire.post("/v1/events:batch", lines, "application/x-ndjson")

    def _note(self, answer: Answer, events: list[Event], sent_at: float) -> list[Event]:
        if answer.status == 503:
            self._log.unsure["503"] += 1
            if not answer.is_a_proper_503():
                self._log.odd.append(f"{answer}")
            return events
        content = orjson.loads(answer.body)
        if len(events) == 1:
            items = [(answer.status, content)]
        elif answer.status == 200 and len(content["results"]) == len(events):
            items = [(item["status"], item) for item in content["results"]]
        else:
            self._log.odd.append(f"{answer} to a batch of {len(events)}")
            return []
        pairs = zip(events, items, strict=True)
        left = [event for event, (status, item) in pairs if not self._log.settle(event, status, item, sent_at)]
        self._log.unsure["503 of an item"] += len(left) if len(events) > 1 else 0
        return left
