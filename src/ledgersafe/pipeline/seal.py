"""seal: whole committed batches, of arrivals and of audit rows, are put under a Merkle root that holds the one before.

A seal is one transaction: whoever is killed has made it or not, and two who seal at once wait for each other. Batches
are found by what is not sealed yet. A walk goes over a chain's batches in steps of bounded size; a sweep walks over all
of them, the frequent walk over those of lately.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

import stamina
import structlog

from ledgersafe.audit import store as audit
from ledgersafe.audit.rules import BEFORE_THE_FIRST, FORMAT, KINDS, Digest, Seal, head_statement, with_hash
from ledgersafe.audit.store import Batch, Chain, SealedPart
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import DatabaseUnavailable, TryAgain
from ledgersafe.db.rows import Leaves
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.ids import first_id_of, new_id
from ledgersafe.kernel.merkle import HASH_BYTES
from ledgersafe.pipeline.arrival import REDACTION

LATELY = timedelta(hours=2)
"""How far back the frequent walk looks; what committed later than that is left to the sweep."""

MARGIN = timedelta(hours=6)
"""How much older than a sweep a row may be and still commit after it: waiting, long deliveries, clocks that differ."""

ID_BYTES = 16
FIRST_ID, LAST_ID = UUID(int=0), UUID(int=(1 << 128) - 1)
_WINDOW = 50_000
"""Batches that one step of a walk passes."""
_BATCHES = 5_000
_ROWS = 20_000
"""What one seal covers at most; a batch that is larger is one seal of its own."""
_PART_ROWS = 4_096
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A seal that was made, or why none was."""

    chain: Chain
    number: int
    rows: int
    batches: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """A part of a walk: the seal it made, if any, and the batch to go on after; None at the end."""

    sealed: Sealed | None
    after: UUID | None


def seal(
    database: Database,
    clock: Clock,
    *,
    tenant_id: str | None = None,
    since: datetime | None = None,
    seconds: float | None = None,
) -> list[Sealed]:
    """Seal what is in no seal: of lately, or (since=None) a sweep over everything. Tenants take turns.

    `seconds`: when to stop; a later walk goes on. A chain that fails is logged and does not stop the others.
    Raises DatabaseUnavailable, TryAgain.
    """
    end = None if seconds is None else time.monotonic() + seconds
    waiting = deque(_walk(database, clock, chain, since) for chain in _chains(database, tenant_id, since))
    done: list[Sealed] = []
    while waiting and (end is None or time.monotonic() < end):
        walk = waiting.popleft()
        for step in walk:  # one step, then it is the next chain's turn
            done += [] if step.sealed is None else [step.sealed]
            waiting.append(walk)
            break
    return done


def seals_page(database: Database, chain: Chain, before: int | None, most: int) -> list[Seal]:
    """Seals of a chain, newest first; `before`: the number of the last one seen."""
    with database.snapshot() as tx:
        return audit.seals_before(tx, chain, before, most).all()


def head_of(database: Database, tenant_id: str, now: datetime) -> dict[str, object]:
    """The statement of a tenant's newest seals, to be signed and kept elsewhere."""
    with database.snapshot() as tx:
        newest = [audit.last_seal(tx, Chain(tenant_id, kind)).first() for kind in KINDS]
    return head_statement(tenant_id, [each for each in newest if each is not None], now)


def leaves_of(
    tx: Tx,
    chain: Chain,
    row_ids: bytes,
    *,
    header_hashes: Sequence[str | None] = (),
    late_before: datetime | None = None,
) -> Leaves:
    """Rows of a chain's kind (ids of 16 bytes each) as seals see them."""
    if chain.kind == "audit":
        return audit.leaves(tx, chain.tenant_id, row_ids, late_before).one()
    return bronze.leaves(
        tx, chain.tenant_id, row_ids, replacement=REDACTION, header_hashes=header_hashes, late_before=late_before
    ).one()


def _chains(database: Database, tenant_id: str | None, since: datetime | None) -> list[Chain]:
    if tenant_id is not None:
        return [Chain(tenant_id, kind) for kind in KINDS]
    chains: list[Chain] = []
    for kind in KINDS:
        with database.snapshot() as tx:
            known = (
                audit.tenants_with_batches(tx, kind)
                if since is None
                else audit.tenants_with_new_batches(tx, kind, first_id_of(since))
            )
            chains += [Chain(one, kind) for one in known.all()]
    return chains


def _walk(database: Database, clock: Clock, chain: Chain, since: datetime | None) -> Iterator[_Step]:
    """One step at a time; a step that fails ends this walk only."""
    after: UUID | None = FIRST_ID if since is None else first_id_of(since)
    swept_until = clock.now() - MARGIN if since is None else None
    while after is not None:
        try:
            step = _step(database, chain, after, clock.now(), swept_until)
        except (DatabaseUnavailable, TryAgain):
            raise
        except Exception as error:  # noqa: BLE001 - it is on record, and the other chains go on
            _log.error("sealing_failed", tenant=chain.tenant_id, kind=chain.kind, exc_info=error)
            step = _Step(Sealed(chain, 0, 0, 0, f"{type(error).__name__}: {error}"), None)
        yield step
        after = step.after


@stamina.retry(on=TryAgain, attempts=8, wait_initial=0.01, wait_max=0.5, timeout=None)
def _step(database: Database, chain: Chain, after: UUID, now: datetime, swept_until: datetime | None) -> _Step:
    with database.transaction() as tx:
        tx.look_up_by_index()
        audit.lock_chain(tx, chain)
        end = audit.window_end(tx, chain, after, _WINDOW).first()
        batches = audit.unsealed(tx, chain, after, end or LAST_ID, most_batches=_BATCHES, most_rows=_ROWS).all()
        if not batches:
            return _Step(None, end)
        rows = sum(len(batch.row_ids) for batch in batches) // ID_BYTES
        there_may_be_more = len(batches) >= _BATCHES or rows >= _ROWS
        has_swept = end is None and not there_may_be_more
        made = _seal(tx, chain, batches, now, swept_until if has_swept else None)
    done = Sealed(chain, made.number, made.rows, made.batches)
    return _Step(done, batches[-1].batch_id if there_may_be_more else end)


def _seal(tx: Tx, chain: Chain, batches: Sequence[Batch], now: datetime, swept_until: datetime | None) -> Seal:
    last = audit.last_seal(tx, chain).first()
    parts = list(_parts(tx, chain, batches, last.number + 1 if last else 1))
    digest = Digest()
    for batch_id, of_batch in groupby(parts, key=lambda part: part.batch_id):
        digest.add(batch_id, b"".join(part.leaf_hashes for part in of_batch))
    told = (last.swept_until if last else None, swept_until)
    known = [swept for swept in told if swept is not None and swept <= now]  # else a clock that was ahead told it
    made = with_hash(
        Seal(
            tenant_id=chain.tenant_id,
            kind=chain.kind,
            number=last.number + 1 if last else 1,
            seal_id=UUID(new_id()),
            format=FORMAT,
            previous_hash=last.seal_hash if last else BEFORE_THE_FIRST,
            merkle_root=digest.merkle_root(),
            batches_hash=digest.batches_hash(),
            rows=digest.rows,
            batches=digest.batches,
            sealed_at=now,
            swept_until=max(known, default=None),
        )
    )
    audit.insert_seal(tx, made)
    audit.insert_sealed_batches(tx, chain, made.number, parts)
    return made


def _parts(tx: Tx, chain: Chain, batches: Sequence[Batch], number: int) -> Iterator[SealedPart]:
    """The leaves of whole batches. A row that is gone already has none: verification names it by its batch."""
    leaves = leaves_of(tx, chain, b"".join(batch.row_ids for batch in batches))
    start = 0
    for batch in batches:
        rows = range(start, start + len(batch.row_ids) // ID_BYTES)
        start = rows.stop
        ids, hashes, headers = batch.row_ids, leaves.leaf_hashes[_bytes(rows)], leaves.header_hashes
        of_batch = headers[rows.start : rows.stop] if headers is not None else None
        if "m" in leaves.states[rows.start : rows.stop]:
            there = [at - rows.start for at in rows if leaves.states[at] != "m"]
            ids = b"".join(ids[at * ID_BYTES : (at + 1) * ID_BYTES] for at in there)
            hashes = b"".join(hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in there)
            of_batch = [of_batch[at] for at in there] if of_batch is not None else None
            _log.error("rows_missing", tenant=chain.tenant_id, kind=chain.kind, batch=str(batch.batch_id))
        yield from _cut(SealedPart(number, batch.batch_id, 0, ids, hashes, of_batch))


def _cut(whole: SealedPart) -> Iterator[SealedPart]:
    """A batch in rows of bounded size; one that has nothing left is one row."""
    for part, start in enumerate(range(0, max(len(whole.row_ids) // ID_BYTES, 1), _PART_ROWS)):
        rows = range(start, start + _PART_ROWS)
        headers = whole.header_hashes[rows.start : rows.stop] if whole.header_hashes is not None else []
        yield SealedPart(
            whole.number,
            whole.batch_id,
            part,
            whole.row_ids[start * ID_BYTES : rows.stop * ID_BYTES],
            whole.leaf_hashes[_bytes(rows)],
            headers if any(headers) else None,
        )


def _bytes(rows: range) -> slice:
    return slice(rows.start * HASH_BYTES, rows.stop * HASH_BYTES)
