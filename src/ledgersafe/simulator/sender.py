"""Sends planned traffic over HTTP, by both doors for events, and holds every answer against the expected one."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit
from zlib import crc32

import httpx
import orjson
import stamina

from ledgersafe.simulator.traffic import Outcome, Planned

SINGLE_PATH = "/v1/events"
BATCH_PATH = "/v1/events:batch"
_ANSWER_SECONDS = 60.0
_GIVE_UP_SECONDS = 60.0
_NOT_NOW = 503
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Answered = Callable[[int], None]
"""Called by the sending threads with the number of events that were answered just now."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How to send: `singles_percent` of the lanes by one request an event, the others in batches."""

    singles_percent: int = 25
    single_connections: int = 16
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

    Events of one lane go through one stream, in order. Raises httpx.HTTPError where the API cannot be reached (or asks
    to wait for longer than a minute), ValueError where a batch is not answered item by item.
    """
    mix = mix or Mix()
    singles, batches = _streams(planned, mix)
    actual: list[Outcome] = [Outcome(0, None, None)] * len(planned)
    with _client(url, api_key, len(singles) + len(batches)) as client:
        stopping = threading.Event()
        post = _Post(client, planned, actual, answered or _nobody, stopping)
        started = perf_counter()
        with ThreadPoolExecutor(len(singles) + len(batches), thread_name_prefix="simulator") as pool:
            work = [pool.submit(post.one_by_one, stream) for stream in singles]
            work += [pool.submit(post.in_batches, stream, mix.batch_events) for stream in batches]
            try:
                for each in as_completed(work):
                    each.result()
            finally:
                stopping.set()  # after a failure or Ctrl-C, the others stop at their next request
        return Report(planned, actual, perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Post:
    """One thread's work, and what all threads share: each writes only the places of its own events."""

    client: httpx.Client
    planned: Sequence[Planned]
    actual: list[Outcome]
    answered: Answered
    stopping: threading.Event

    def one_by_one(self, positions: Sequence[int]) -> None:
        for position in positions:
            if self.stopping.is_set():
                return
            response = self._request(SINGLE_PATH, self.planned[position].body, "application/json")
            self.actual[position] = _outcome(response.status_code, orjson.loads(response.content))
            self.answered(1)

    def in_batches(self, positions: Sequence[int], size: int) -> None:
        for start in range(0, len(positions), size):
            if self.stopping.is_set():
                return
            part = positions[start : start + size]
            body = b"".join(self.planned[position].body + b"\n" for position in part)
            response = self._request(BATCH_PATH, body, "application/x-ndjson")
            for position, item in zip(part, _items(response, len(part)), strict=True):
                self.actual[position] = _outcome(item["status"], item)
            self.answered(len(part))

    def _request(self, path: str, body: bytes, content_type: str) -> httpx.Response:
        """Post; while the answer is "not now", post again. Nothing was decided then, so nothing is counted twice."""
        for attempt in stamina.retry_context(_pause, attempts=None, timeout=_GIVE_UP_SECONDS, wait_jitter=0.2):
            with attempt:
                response = self.client.post(path, content=body, headers={"Content-Type": content_type})
                if response.status_code == _NOT_NOW:
                    response.raise_for_status()
                return response
        raise AssertionError("unreachable: the last attempt returns or raises")


def _streams(planned: Sequence[Planned], mix: Mix) -> tuple[list[list[int]], list[list[int]]]:
    """Positions of the plan by stream, (one by one, in batches): a lane is in one stream only."""
    singles: list[list[int]] = [[] for _ in range(mix.single_connections)]
    batches: list[list[int]] = [[] for _ in range(mix.batch_connections)]
    for position, event in enumerate(planned):
        number, share = divmod(crc32(event.lane.encode()), 100)
        streams = singles if share < mix.singles_percent else batches
        streams[number % len(streams)].append(position)
    return [stream for stream in singles if stream], [stream for stream in batches if stream]


def _client(url: str, api_key: str | None, connections: int) -> httpx.Client:
    return httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=_ANSWER_SECONDS,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        trust_env=urlsplit(url).hostname not in _LOOPBACK,  # a proxy of the environment does not know our loopback
    )


def _pause(error: Exception) -> bool | float:
    """Whether to send again; as a number: after how many seconds."""
    if not isinstance(error, httpx.HTTPStatusError):
        return False
    seconds = error.response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else True


def _outcome(status: int, answer: Any) -> Outcome:
    members = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    return Outcome(status, members.get("result") if status < 400 else None, members.get("reason_code"))


def _items(response: httpx.Response, number: int) -> list[dict[str, Any]]:
    answer: Any = orjson.loads(response.content)
    members = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    items = cast("list[dict[str, Any]]", members.get("results") or [])
    if len(items) != number:
        raise ValueError(f"HTTP {response.status_code} with {len(items)} results for {number} events: {answer}")
    return items


def _nobody(number: int) -> None:
    del number
