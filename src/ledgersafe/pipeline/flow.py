"""flow: how it flows: what came in, went into the books and was held, minute by minute, and what lags. One snapshot.

All of it is read by index and in bounds, so that a page may ask every few seconds beside a million events an hour.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.gate import store as gate
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table, ordered
from ledgersafe.jobs import store as jobs
from ledgersafe.kernel.ids import first_id_of
from ledgersafe.quarantine import store as quarantine

MOST_MINUTES = 1_440
MOST_WAITING = 10_000
"""So many wait to be posted, or more: nobody needs to know how many more."""
MOST_SEALS = 50
_BATCHES = 360
"""Over how many batches the sample spreads that latency is told by; a few postings of each, at least one a minute."""
_A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from arrival to books, of what nobody had to decide on: half of it took no longer than `p50`.

    `sampled`: by how many postings this is told; where there is none, nothing is told.
    """

    p50: float | None
    p95: float | None
    sampled: int


@dataclass(frozen=True, slots=True)
class Minute:
    """What happened in a minute, that begins `at`. `arrivals`: retries and faulty ones included.

    `posted`, `reversed`: transactions that were added to the books, and taken back.
    """

    at: datetime
    arrivals: int
    posted: int
    reversed: int
    parked: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class TableLag:
    """How far a gold table lags. `behind_since`: when the oldest was posted (or arrived) that it has yet to apply.

    `failures`: how often in a row it failed, for the tenant for which it is the most.
    """

    table: str
    kind: Literal["additive", "recomputed"]
    behind_since: datetime | None
    failures: int


@dataclass(frozen=True, slots=True)
class Flow:
    """Whatever flows, and what does not. `to_post`: MOST_WAITING stands for so many or more."""

    now: datetime
    minutes: list[Minute]
    latency: Latency
    to_post: int
    oldest_to_post: datetime | None
    gold: list[TableLag]
    open_by_reason: list[quarantine.OfReason]
    oldest_open: datetime | None
    files: jobs.FileDeliveries
    webhooks: jobs.WebhooksInTrouble
    seals: list[audit.LatestSeal]


def flow(database: Database, tenant_ids: Sequence[str] | None, minutes: int, now: datetime) -> Flow:
    """How it flows for these tenants, or for all, over so many minutes up to the one that is under way."""
    whose = None if tenant_ids is None else list(tenant_ids)
    first = now.replace(second=0, microsecond=0) - (minutes - 1) * _A_MINUTE
    starts = [first + number * _A_MINUTE for number in range(minutes)]
    with database.snapshot() as tx:
        tx.look_up_by_index()
        to_post, oldest = gate.count_waiting(tx, whose, MOST_WAITING), gate.oldest_to_post(tx, whose)
        reasons, oldest_open = quarantine.open_by_reason(tx, whose), quarantine.oldest_open(tx, whose)
        files, webhooks = jobs.file_deliveries(tx, whose), jobs.webhooks_in_trouble(tx, whose)
        seals = audit.latest_seals(tx, whose, MOST_SEALS)
        told, latency = _minutes(tx, whose, starts)
        return Flow(
            now=now,
            minutes=told,
            latency=latency,
            to_post=to_post.one(),
            oldest_to_post=oldest.first(),
            gold=_lags(tx, whose),
            open_by_reason=sorted(reasons.all(), key=lambda one: (-one.number, one.reason_code)),
            oldest_open=oldest_open.first(),
            files=files.one(),
            webhooks=webhooks.one(),
            seals=seals.all(),
        )


def _minutes(tx: Tx, whose: list[str] | None, starts: Sequence[datetime]) -> tuple[list[Minute], Latency]:
    """Each minute, and the latency of all of them."""
    until = starts[-1] + _A_MINUTE
    first_ids: list[UUID] = [first_id_of(start) for start in starts]
    arrived = bronze.arrivals_by_minute(tx, whose, first_ids, first_id_of(until))
    posted = gate.posted_by_minute(tx, whose, starts, until)
    parked = quarantine.parked_by_minute(tx, whose, starts, until)
    sampled = gate.latency(tx, whose, starts, max(_BATCHES // len(starts), 1)).all()
    arrivals = {one.minute: one.number for one in arrived.all()}
    postings = {one.minute: one for one in posted.all()}
    held = {one.minute: one.number for one in parked.all()}
    of_minute: dict[int, list[gate.Latency]] = {}
    for one in sampled:
        of_minute.setdefault(one.minute, []).append(one)
    nothing = gate.PostedOfMinute(0, 0, 0)
    told = [
        Minute(
            at=start,
            arrivals=arrivals.get(number, 0),
            posted=postings.get(number, nothing).postings,
            reversed=postings.get(number, nothing).reversals,
            parked=held.get(number, 0),
            latency=latency_of(of_minute.get(number, ())),
        )
        for number, start in enumerate(starts, 1)
    ]
    return told, latency_of(sampled)


def _lags(tx: Tx, whose: list[str] | None) -> list[TableLag]:
    """Every gold table, in the order in which they are made."""
    of_postings = [table.name for table in ordered() if not table.follows_arrivals]
    of_arrivals = [table.name for table in ordered() if table.follows_arrivals]
    behind = gold.behind(tx, of_postings, whose), gold.behind_arrivals(tx, of_arrivals, whose)
    failing = gold.failing(tx, whose)
    since = {one.table_name: one.since for rows in behind for one in rows.all()}
    failures = {one.table_name: one.failures for one in failing.all()}

    def lag(table: Table) -> TableLag:
        return TableLag(table.name, table.kind, since.get(table.name), failures.get(table.name, 0))

    return [lag(table) for table in ordered()]


def latency_of(sampled: Iterable[gate.Latency]) -> Latency:
    """What a sample tells, each of it standing for so many."""
    by_time = sorted(sampled, key=lambda one: one.seconds)
    return Latency(_quantile(by_time, 0.5), _quantile(by_time, 0.95), len(by_time))


def _quantile(by_time: Sequence[gate.Latency], share: float) -> float | None:
    """The seconds within which this share of what the sample stands for was done."""
    wanted, counted = share * sum(one.weight for one in by_time), 0
    for one in by_time:
        counted += one.weight
        if counted >= wanted:
            return one.seconds
    return None
