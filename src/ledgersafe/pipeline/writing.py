"""What decisions change: gathered over many exceptions, then written in one go."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Tx
from ledgersafe.gate import store as gate
from ledgersafe.gate.rules import Decision, Status
from ledgersafe.pipeline.announce import Told, announce
from ledgersafe.pipeline.park import Released
from ledgersafe.quarantine import store as quarantine

SLOT = 64
"""The counters' row of decisions: above those of the API's processes."""


@dataclass(slots=True)
class Writes:
    """What a decision changes, gathered, then written in one go."""

    keys: list[gate.Key] = field(default_factory=list[gate.Key])
    others: list[tuple[str, bytes, Decision]] = field(default_factory=list[tuple[str, bytes, Decision]])
    posted: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    not_to_post: list[str] = field(default_factory=list[str])
    closed: list[quarantine.Closed] = field(default_factory=list[quarantine.Closed])
    attempted: list[UUID] = field(default_factory=list[UUID])
    audited: list[audit.Entry] = field(default_factory=list[audit.Entry])
    released: list[Released] = field(default_factory=list[Released])
    statuses: Counter[Status] = field(default_factory=Counter[Status])


def write(tx: Tx, decided: quarantine.Decided, writes: Writes) -> None:
    """Write it all. `decided`: what was wished, by whom and when."""
    if writes.attempted:
        quarantine.count_refused_replays(tx, decided.tenant_id, writes.attempted, decided.resolved_at)
    if writes.closed:
        _write_closed(tx, decided, writes)
    if writes.audited:
        audit.insert(tx, writes.audited)


def _write_closed(tx: Tx, decided: quarantine.Decided, writes: Writes) -> None:
    tenant_id, now = decided.tenant_id, decided.resolved_at
    gate.update_keys(tx, tenant_id, writes.keys)
    if writes.others:
        gate.decide_other_payloads(tx, tenant_id, writes.others)
    if writes.not_to_post:
        gate.delete_to_post(tx, tenant_id, writes.not_to_post)
    if writes.posted:
        keys, raw_ids = sorted(key for key, _ in writes.posted), [raw_id for _, raw_id in writes.posted]
        gate.note_posted(tx, tenant_id, keys, raw_ids, now)
    quarantine.close_exceptions(tx, decided, writes.closed)
    ended = [Told(str(one.exception_id), one.idempotency_key, now, resolution=one.resolution) for one in writes.closed]
    announce(tx, tenant_id, "exception.resolved", ended)
    change = gate.Counts(
        tenant_id,
        events_raw=0,
        processed=writes.statuses["processed"],
        quarantined=writes.statuses["quarantined"],
        ignored=writes.statuses["ignored"],
        exceptions_open=-len(writes.closed),
    )
    gate.add_to_counters(tx, SLOT, change)
