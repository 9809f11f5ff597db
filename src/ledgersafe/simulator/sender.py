"""Sends planned traffic over HTTP, by both doors for events, and holds every answer against the expected one."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import orjson
import stamina

from ledgersafe.simulator.traffic import Outcome, Planned

SINGLE_PATH = "/v1/events"
BATCH_PATH = "/v1/events:batch"
_ANSWER_SECONDS = 60.0
_GIVE_UP_SECONDS = 60.0
_NOT_NOW = 503

Answered = Callable[[int], None]
"""Called by the sending threads with the number of events that were answered just now."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How to send: `singles_percent` of the lanes by one request an event, the others in batches."""

    singles_percent: int = 25
    single_connections: int = 48
    batch_connections: int = 3
    batch_events: int = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """An event whose answer was not the expected one; `position` is its place in the plan."""

    position: int
    planned: Planned
    actual: Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """What came back. `actual` stands in the order of the plan; `seconds` is the time from first to last event."""

    planned: Sequence[Planned]
    actual: Sequence[Outcome]
    seconds: float

    def rate(self) -> float:
        """Events a second."""
        return len(self.planned) / self.seconds if self.seconds > 0 else 0.0

    def differences(self) -> list[Difference]:
        """Every event that was answered other than expected."""
        pairs = enumerate(zip(self.planned, self.actual, strict=True))
        return [Difference(number, event, outcome) for number, (event, outcome) in pairs if event.expected != outcome]

    def by_outcome(self) -> list[tuple[Outcome, int, int]]:
        """(outcome, events expected to have it, events that had it), in the order of status, result and reason."""
        expected, actual = Counter(event.expected for event in self.planned), Counter(self.actual)
        outcomes = sorted(expected.keys() | actual.keys(), key=lambda each: (each[0], each[1] or "", each[2] or ""))
        return [(outcome, expected[outcome], actual[outcome]) for outcome in outcomes]


def send(
    planned: Sequence[Planned], url: str, api_key: str | None, mix: Mix | None = None, answered: Answered | None = None
) -> Report:
    """Send all of it as fast as it goes and collect the answers.

    Events of one lane go through one stream, in order. Raises OSError or http.client.HTTPException where the API cannot
    be reached, NotNowError where it asks to wait for longer than a minute, ValueError where it does not answer as it
    promises.
    """
    mix = mix or Mix()
    singles, batches = _streams(planned, mix)
    actual: list[Outcome] = [Outcome(0, None, None)] * len(planned)
    stopping = threading.Event()
    shared = _Shared(url, api_key, planned, actual, answered or _nobody, stopping)
    started = perf_counter()
    with ThreadPoolExecutor(len(singles) + len(batches), thread_name_prefix="simulator") as pool:
        work = [pool.submit(_one_by_one, shared, stream) for stream in singles]
        work += [pool.submit(_in_batches, shared, stream, mix.batch_events) for stream in batches]
        try:
            for each in as_completed(work):
                each.result()
        finally:
            stopping.set()  # after a failure or Ctrl-C, the others stop at their next request
    return Report(planned, actual, perf_counter() - started)


class NotNowError(Exception):
    """The API asked to come back later. `pause`: after how many seconds, where it said so."""

    def __init__(self, path: str, pause: float | None) -> None:
        super().__init__(f"POST {path}: HTTP {_NOT_NOW}, for {_GIVE_UP_SECONDS:g} seconds")
        self.pause = pause


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all threads share: each writes only the places of its own events in `actual`."""

    url: str
    api_key: str | None
    planned: Sequence[Planned]
    actual: list[Outcome]
    answered: Answered
    stopping: threading.Event


def _one_by_one(shared: _Shared, positions: Sequence[int]) -> None:
    with closing(_Line(shared.url, shared.api_key)) as line:
        for position in positions:
            if shared.stopping.is_set():
                return
            status, answer = line.post(SINGLE_PATH, shared.planned[position].body, "application/json")
            shared.actual[position] = _outcome(status, answer)
            shared.answered(1)


def _in_batches(shared: _Shared, positions: Sequence[int], size: int) -> None:
    with closing(_Line(shared.url, shared.api_key)) as line:
        for start in range(0, len(positions), size):
            if shared.stopping.is_set():
                return
            part = positions[start : start + size]
            body = b"".join(shared.planned[position].body + b"\n" for position in part)
            status, answer = line.post(BATCH_PATH, body, "application/x-ndjson")
            for position, item in zip(part, _items(status, answer, len(part)), strict=True):
                shared.actual[position] = _outcome(item["status"], item)
            shared.answered(len(part))


class _Line:
    """One kept-alive connection. The standard library's: it costs a fifth of what httpx does a request, and a load
    generator that is itself the bottleneck measures itself."""

    def __init__(self, url: str, api_key: str | None) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.netloc, timeout=_ANSWER_SECONDS)
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def post(self, path: str, body: bytes, content_type: str) -> tuple[int, dict[str, Any]]:
        """(status, the JSON object answered). While the answer is "not now" it posts again: nothing was decided."""
        headers = {**self._headers, "Content-Type": content_type}
        for attempt in stamina.retry_context(_pause, attempts=None, timeout=_GIVE_UP_SECONDS, wait_jitter=0.2):
            with attempt:
                self._connection.request("POST", self._prefix + path, body, headers)
                response = self._connection.getresponse()
                content = response.read()
                if response.status == _NOT_NOW:
                    raise NotNowError(path, _seconds(response.headers.get("Retry-After", "")))
                return response.status, orjson.loads(content)
        raise AssertionError("the last attempt returns or raises")


def _streams(planned: Sequence[Planned], mix: Mix) -> tuple[list[list[int]], list[list[int]]]:
    """Positions of the plan by stream, (one by one, in batches): a lane is in one stream only."""
    singles: list[list[int]] = [[] for _ in range(mix.single_connections)]
    batches: list[list[int]] = [[] for _ in range(mix.batch_connections)]
    for position, event in enumerate(planned):
        number, share = divmod(crc32(event.lane.encode()), 100)
        streams = singles if share < mix.singles_percent else batches
        streams[number % len(streams)].append(position)
    return [stream for stream in singles if stream], [stream for stream in batches if stream]


def _pause(error: Exception) -> bool | float:
    """Whether to send again; as a number: after how many seconds."""
    if not isinstance(error, NotNowError):
        return False
    return True if error.pause is None else error.pause


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None


def _outcome(status: int, answer: dict[str, Any]) -> Outcome:
    return Outcome(status, answer.get("result") if status < 400 else None, answer.get("reason_code"))


def _items(status: int, answer: dict[str, Any], number: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = answer.get("results") or []
    if len(items) != number:
        raise ValueError(f"HTTP {status} with {len(items)} results for {number} events: {answer.get('detail')}")
    return items


def _nobody(number: int) -> None:
    del number
