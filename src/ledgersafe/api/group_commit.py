"""Group commit: what queued while a commit ran makes up the next one. No timer, so nothing waits when all is idle.

One task of the event loop takes what has queued, a tenant at a time in turn, and has it accepted in one transaction.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import stamina
import structlog

from ledgersafe.api import metrics
from ledgersafe.bronze.store import Rejected
from ledgersafe.db.database import Database
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.db.line import Line
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import random_slot
from ledgersafe.kernel.reasons import CANNOT_COMMIT, QUEUE_FULL
from ledgersafe.pipeline.accept import Outcome, accept_on
from ledgersafe.pipeline.arrival import Arrival

Item = Arrival | Rejected
Decided = Outcome | RequestRefused | None
"""What became of an item: an arrival's outcome, None for a refused body that is kept, or that it was not committed."""

RETRY_AFTER_SECONDS = 1
_SLOTS = 64
_EVENTS_PER_SHARED_COMMIT = 64
"""While several tenants send, none of them waits for a long commit of another's. Beyond the knee in any case."""
_SHARED_FOR_SECONDS = 1.0
"""How long after two tenants sent in turn the next commits are still taken to be shared."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait: events altogether, events of one tenant, bytes. What one commit takes: events, seconds."""

    events: int
    events_per_tenant: int
    total_bytes: int
    events_per_commit: int
    commit_seconds: float


class _Job(msgspec.Struct, frozen=True):
    """What one request (or a chunk of one) waits for."""

    lane: str
    items: Sequence[Item]
    size: int
    future: "asyncio.Future[list[Decided]]"


class GroupCommit:
    """The queue in front of accept, and the task that empties it."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._line = Line(database.url, database.options, patience=limits.commit_seconds)
        self._limits = limits
        self._slot = random_slot(_SLOTS)
        self._lanes: dict[str, deque[_Job]] = {}
        self._waiting: dict[str, int] = {}
        self._last_lane = ""
        self._shared_until = 0.0
        self._events = 0
        self._bytes = 0
        self._stopping = False
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to commit; call it on the event loop that will submit."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Commit what has queued, then end."""
        self._stopping = True
        self._something.set()
        if self._task is not None:
            await self._task
        await self._line.close()

    async def submit(self, arrivals: Sequence[Arrival]) -> list[Outcome | RequestRefused]:
        """Have arrivals accepted; returns when they are durable, with RequestRefused for what could not be committed.

        Raises RequestRefused(QUEUE_FULL).
        """
        decided = await self._put(arrivals[0].tenant_id, arrivals)
        return [outcome for outcome in decided if outcome is not None]

    async def keep_rejected(self, rows: Sequence[Rejected]) -> None:
        """Have refused bodies kept; returns when they are durable. Raises RequestRefused."""
        for decided in await self._put(rows[0].tenant_id, rows):
            if isinstance(decided, RequestRefused):
                raise decided

    def _put(self, lane: str, items: Sequence[Item]) -> "asyncio.Future[list[Decided]]":
        if self._task is None or self._stopping:
            raise RequestRefused(CANNOT_COMMIT, "This process is ending.", _retry_after())
        size = sum(len(item.body) for item in items)
        if (
            self._events >= self._limits.events
            or self._waiting.get(lane, 0) >= self._limits.events_per_tenant
            or (self._bytes and self._bytes + size > self._limits.total_bytes)
        ):
            raise RequestRefused(QUEUE_FULL, "More waits for a commit than this process takes.", _retry_after())
        job = _Job(lane, items, size, asyncio.get_running_loop().create_future())
        if lane != self._last_lane:
            self._shared_until = time.monotonic() + _SHARED_FOR_SECONDS if self._last_lane else 0.0
            self._last_lane = lane
        self._lanes.setdefault(lane, deque()).append(job)
        self._count(job, 1)
        self._something.set()
        return job.future

    def _count(self, job: _Job, sign: int) -> None:
        self._events += sign * len(job.items)
        self._bytes += sign * job.size
        left = self._waiting.get(job.lane, 0) + sign * len(job.items)
        if left:
            self._waiting[job.lane] = left
        else:
            self._waiting.pop(job.lane, None)

    async def _run(self) -> None:
        while True:
            await self._something.wait()
            if not self._lanes:
                if self._stopping:
                    return
                self._something.clear()
                continue
            jobs = self._take()
            items = [item for job in jobs for item in job.items]
            started = time.perf_counter()
            decided = await self._commit(items)
            metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
            metrics.COMMIT_EVENTS.observe(len(items))
            metrics.QUEUE_EVENTS.set(self._events)
            metrics.QUEUE_BYTES.set(self._bytes)
            _give_back(jobs, decided)
            _count_outcomes(decided)

    async def _commit(self, items: Sequence[Item]) -> list[Decided]:
        return await commit(self._line, items, self._slot)

    def _take(self) -> list[_Job]:
        """The next batch: one job of each tenant in turn, up to the size of a commit."""
        jobs: list[_Job] = []
        events, most = 0, self._limits.events_per_commit
        if time.monotonic() < self._shared_until:
            most = min(most, _EVENTS_PER_SHARED_COMMIT)
        while self._lanes and events < most:
            lane = next(iter(self._lanes))
            queue = self._lanes.pop(lane)
            job = queue.popleft()
            if queue:
                self._lanes[lane] = queue  # to the end of the line
            jobs.append(job)
            events += len(job.items)
            self._count(job, -1)
        return jobs


def _give_back(jobs: Sequence[_Job], decided: Sequence[Decided]) -> None:
    metrics.LAST_COMMIT.set_to_current_time()
    position = 0
    for job in jobs:
        if not job.future.done():  # otherwise its client has gone
            job.future.set_result(list(decided[position : position + len(job.items)]))
        position += len(job.items)


def _count_outcomes(decided: Sequence[Decided]) -> None:
    outcomes = [one for one in decided if isinstance(one, Outcome)]
    found = Counter((one.result, one.reason.code if one.reason else "") for one in outcomes)
    for labels, number in found.items():
        metrics.ARRIVALS.labels(*labels).inc(number)


async def commit(line: Line, items: Sequence[Item], slot: int) -> list[Decided]:
    """Accept a batch: one answer an item. If it cannot be stored, halve it until the culprit stands alone."""
    try:
        return await _accepted(line, items, slot)
    except DatabaseUnavailable as error:
        return _failed("unavailable", error, items)
    except TryAgain as error:
        return _failed("deadlock", error, items)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not fail the neighbours
        if len(items) == 1:
            return _failed("refused", error, items)
        half = len(items) // 2
        return await commit(line, items[:half], slot) + await commit(line, items[half:], slot)


async def _accepted(line: Line, items: Sequence[Item], slot: int) -> list[Decided]:
    """At the first attempt, mostly. What repeats makes rings that hold the items until the collector comes."""
    try:
        return await _attempted(line, items, slot)
    except TryAgain:
        return await _attempted_again(line, items, slot)


async def _attempted(line: Line, items: Sequence[Item], slot: int) -> list[Decided]:
    arrivals = [item for item in items if isinstance(item, Arrival)]
    rejected = [item for item in items if isinstance(item, Rejected)]
    outcomes = await accept_on(line, arrivals, slot=slot, rejected=rejected)
    if not rejected:
        return [*outcomes]
    following = iter(outcomes)
    return [next(following) if isinstance(item, Arrival) else None for item in items]


_attempted_again = stamina.retry(on=TryAgain, attempts=4, wait_initial=0.01, wait_max=0.2, timeout=None)(_attempted)


def _failed(kind: str, error: Exception, items: Sequence[Item]) -> list[Decided]:
    metrics.COMMIT_FAILURES.labels(kind).inc()
    _log.error("commit_failed", kind=kind, events=len(items), error=str(error), exc_info=kind == "refused")
    message = "The database did not commit, so nothing was decided. Send it again."
    return [RequestRefused(CANNOT_COMMIT, message, _retry_after()) for _ in items]


def _retry_after() -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)}
