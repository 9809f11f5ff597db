"""verify seals: every hash made anew from the rows and bodies as they are now, and each fault named, in one snapshot.

Memory is bounded: leaves are read some thousand rows at a time, seals a page at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Literal
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.audit.rules import BEFORE_THE_FIRST, FORMAT, KINDS, Digest, Kind, Seal, hash_of
from ledgersafe.audit.store import Batch, Chain, SealedPart
from ledgersafe.db.database import Database, Tx
from ledgersafe.kernel.merkle import HASH_BYTES
from ledgersafe.pipeline.seal import FIRST_ID, ID_BYTES, LAST_ID, leaves_of

SECONDS = 600.0
"""How long one statement of a verification may take."""
_ROWS, _BATCHES, _SEALS, _WINDOW = 8_000, 4_000, 1_000, 50_000
_THINGS = {"arrivals": "arrival", "audit": "audit row"}

FaultName = Literal[
    "ROW_ALTERED",
    "ROW_MISSING",
    "ROW_INSERTED",
    "BATCH_ALTERED",
    "BATCH_MISSING",
    "REDACTION_WITHOUT_AUDIT",
    "SEAL_ALTERED",
    "SEAL_MISSING",
    "CHAIN_BROKEN",
    "HEAD_DIFFERS",
]


@dataclass(frozen=True, slots=True)
class SealFault:
    """One thing that is off. `seal`: the number of the seal that shows it; `row_id`: the row, where one is meant."""

    name: FaultName
    message: str
    seal: int | None = None
    row_id: UUID | None = None


@dataclass(slots=True)
class ChainCheck:
    """What was found of one chain; filled while it is read. `faults` and `redacted` hold the first `most`."""

    tenant_id: str
    kind: Kind
    most: int
    seals: int = 0
    rows: int = 0
    pending: int = 0
    redacted_count: int = 0
    fault_count: int = 0
    head_hash: bytes | None = None
    faults: list[SealFault] = field(default_factory=list[SealFault])
    redacted: list[UUID] = field(default_factory=list[UUID])

    @property
    def ok(self) -> bool:
        """Whether nothing is off; what is pending or redacted is not."""
        return self.fault_count == 0

    def add(self, name: FaultName, message: str, *, seal: int | None = None, row_id: UUID | None = None) -> None:
        """Name a fault."""
        self.fault_count += 1
        if len(self.faults) < self.most:
            self.faults.append(SealFault(name, message, seal, row_id))


@dataclass(frozen=True, slots=True)
class _Rows:
    """A batch's rows as its seal has them; those of a batch that waits for one have no leaves, and number 0."""

    number: int
    batch_id: UUID
    row_ids: bytes
    leaf_hashes: bytes | None
    header_hashes: list[str | None] | None
    late_before: datetime | None


def verify_seals_page(
    database: Database, now: datetime, tenant_id: str | None, after: str, most_tenants: int
) -> tuple[list[ChainCheck], str | None]:
    """The chains of one tenant, or of the first that come after one; and the last of these, where more follow."""
    if tenant_id is not None:
        return verify_seals(database, now, tenant_id), None
    with database.snapshot() as tx:
        known = {tenant for kind in KINDS for tenant in audit.tenants_with_batches(tx, kind).all()}
    page = sorted(tenant for tenant in known if tenant > after)[: most_tenants + 1]
    last = page[most_tenants - 1] if len(page) > most_tenants else None
    return [chain for tenant in page[:most_tenants] for chain in verify_seals(database, now, tenant)], last


def verify_seals(database: Database, now: datetime, tenant_id: str | None = None, most: int = 100) -> list[ChainCheck]:
    """Every chain of one tenant, or of all; `most`: how many faults and redacted rows are named of each."""
    with database.snapshot(patience=SECONDS) as tx:
        audit.allow_seconds(tx, SECONDS)
        chains = (
            [Chain(tenant, kind) for kind in KINDS for tenant in audit.tenants_with_batches(tx, kind).all()]
            if tenant_id is None
            else [Chain(tenant_id, kind) for kind in KINDS]
        )
        return [
            _Verification(tx, chain, now, most).run()
            for chain in sorted(chains, key=lambda it: (it.tenant_id, it.kind))
        ]


class _Verification:
    """Of one chain, in one pass."""

    def __init__(self, tx: Tx, chain: Chain, now: datetime, most: int) -> None:
        self.tx = tx
        self.chain = chain
        self.now = now
        self.thing = _THINGS[chain.kind]
        self.found = ChainCheck(chain.tenant_id, chain.kind, most)

    def run(self) -> ChainCheck:
        last = self._check_seals(self._digests())
        swept_until = last.swept_until if last else None
        if swept_until is not None and swept_until > self.now:
            swept_until = None  # a clock that was ahead told it
        for page in _pages(self._pending(swept_until)):
            self.found.pending += sum(len(each.row_ids) for each in page) // ID_BYTES
            self._check_rows(page)
        for row_id in audit.rows_in_no_batch(self.tx, self.chain, self.found.most + 1).all():
            message = f"{self.thing} {row_id} was inserted past the application: it is in no batch"
            self.found.add("ROW_INSERTED", message, row_id=row_id)
        return self.found

    def _check_seals(self, digests: Iterator[tuple[int, Digest]]) -> Seal | None:
        """Each seal against its leaves and against the one before; returns the last one."""
        last: Seal | None = None
        digest = next(digests, None)
        for seal in self._seals():
            for number in range(last.number + 1 if last else 1, seal.number):
                self.found.add("SEAL_MISSING", f"seal {number} is missing: seal {seal.number} follows it", seal=number)
            while digest is not None and digest[0] < seal.number:  # leaves of a seal that is missing, as just said
                digest = next(digests, None)
            self._check_seal(seal, digest[1] if digest is not None and digest[0] == seal.number else Digest())
            self._check_link(last, seal)
            last = seal
            self.found.seals += 1
            self.found.head_hash = seal.seal_hash
        while digest is not None:
            if last is None or digest[0] > last.number:
                self.found.add("SEAL_MISSING", f"seal {digest[0]} is missing: its leaves are there", seal=digest[0])
            digest = next(digests, None)
        return last

    def _check_seal(self, seal: Seal, digest: Digest) -> None:
        if seal.format != FORMAT:
            message = f"seal {seal.number} is of format {seal.format}, which this version does not know"
            self.found.add("SEAL_ALTERED", message, seal=seal.number)
        elif hash_of(seal) != seal.seal_hash:
            message = f"seal {seal.number} was altered: what it says is not what its hash was made of"
            self.found.add("SEAL_ALTERED", message, seal=seal.number)
        if not digest.is_of(seal):
            message = f"the leaves of seal {seal.number} were altered, or some are missing: they do not make its root"
            self.found.add("SEAL_ALTERED", message, seal=seal.number)

    def _check_link(self, last: Seal | None, seal: Seal) -> None:
        if last is not None and last.number + 1 == seal.number and seal.previous_hash != last.seal_hash:
            message = f"seal {seal.number} does not follow seal {last.number}: that one was rewritten"
            self.found.add("CHAIN_BROKEN", message, seal=seal.number)
        if seal.number == 1 and seal.previous_hash != BEFORE_THE_FIRST:
            self.found.add("CHAIN_BROKEN", "seal 1 says that a seal was before it", seal=1)

    def _seals(self) -> Iterator[Seal]:
        after = 0
        while page := audit.seals_after(self.tx, self.chain, after, _SEALS).all():
            yield from page
            after = page[-1].number

    def _digests(self) -> Iterator[tuple[int, Digest]]:
        """By seal number, what its stored leaves make; their rows are checked on the way."""
        for number, batches in groupby(self._checked(), key=lambda each: each.number):
            digest = Digest()
            for batch in batches:
                digest.add(batch.batch_id, batch.leaf_hashes or b"")
            yield number, digest

    def _checked(self) -> Iterator[_Rows]:
        for page in _pages(self._sealed()):
            self._check_batches(page)
            self._check_rows(page)
            self.found.rows += sum(len(each.row_ids) for each in page) // ID_BYTES
            yield from page

    def _sealed(self) -> Iterator[_Rows]:
        """Whole batches with their leaves, in the order of the seals."""
        for (number, batch_id), grouped in groupby(self._parts(), key=lambda part: (part.number, part.batch_id)):
            parts = list(grouped)
            headers = [header for part in parts for header in part.header_hashes or [None] * _count(part)]
            ids, hashes = b"".join(part.row_ids for part in parts), b"".join(part.leaf_hashes for part in parts)
            kept = headers if any(headers) else None
            yield _Rows(number, batch_id, ids, hashes, kept, parts[0].late_before)

    def _parts(self) -> Iterator[SealedPart]:
        after = (0, FIRST_ID, -1)
        while page := audit.sealed_batches_after(
            self.tx, self.chain, after, most_batches=_BATCHES, most_rows=_ROWS
        ).all():
            yield from page
            after = (page[-1].number, page[-1].batch_id, page[-1].part)

    def _pending(self, late_before: datetime | None) -> Iterator[_Rows]:
        """Batches that wait for a seal."""
        after: UUID | None = FIRST_ID
        while after is not None:
            end = audit.window_end(self.tx, self.chain, after, _WINDOW).first()
            page = audit.unsealed(
                self.tx, self.chain, after, end or LAST_ID, most_batches=_BATCHES, most_rows=_ROWS
            ).all()
            for batch in page:
                yield _Rows(0, batch.batch_id, batch.row_ids, None, None, late_before)
            is_full = len(page) >= _BATCHES or sum(len(batch.row_ids) for batch in page) >= _ROWS * ID_BYTES
            after = page[-1].batch_id if is_full else end

    def _check_batches(self, page: Sequence[_Rows]) -> None:
        """What the seals took from batches against what these say now."""
        now = {it.batch_id: it for it in audit.batches_by_id(self.tx, self.chain, [it.batch_id for it in page]).all()}
        for sealed in page:
            batch = now.get(sealed.batch_id)
            if batch is None:
                message = f"batch {sealed.batch_id} is missing: seal {sealed.number} covers it"
                self.found.add("BATCH_MISSING", message, seal=sealed.number)
            elif batch.row_ids != sealed.row_ids:
                self._compare(sealed, batch)

    def _compare(self, sealed: _Rows, batch: Batch) -> None:
        theirs, ours = dict.fromkeys(_ids(batch.row_ids)), dict.fromkeys(_ids(sealed.row_ids))
        added = [row_id for row_id in theirs if row_id not in ours]
        states = leaves_of(self.tx, self.chain, b"".join(row_id.bytes for row_id in added)).states
        for row_id, state in zip(added, states, strict=True):
            where = f"seal {sealed.number} covers its batch {sealed.batch_id} without it"
            if state == "m":
                message = f"{self.thing} {row_id} is missing, and was gone before sealing: {where}"
                self.found.add("ROW_MISSING", message, seal=sealed.number, row_id=row_id)
            else:
                message = f"{self.thing} {row_id} was inserted after sealing: {where}"
                self.found.add("ROW_INSERTED", message, seal=sealed.number, row_id=row_id)
        gone = [row_id for row_id in ours if row_id not in theirs]
        if gone or not added:
            names = f"it no longer names {', '.join(map(str, gone[:5]))}" if gone else "its rows are in another order"
            self.found.add("BATCH_ALTERED", f"batch {sealed.batch_id} was altered: {names}", seal=sealed.number)

    def _check_rows(self, page: Iterable[_Rows]) -> None:
        """Rows as they are now against their leaves; those that have none yet, against what can be told of them."""
        for late_before, grouped in groupby(page, key=lambda each: each.late_before):
            batches = list(grouped)
            headers = (
                [
                    header
                    for each in batches
                    for header in each.header_hashes or [None] * (len(each.row_ids) // ID_BYTES)
                ]
                if any(each.header_hashes for each in batches)
                else []
            )
            ids = b"".join(each.row_ids for each in batches)
            leaves = leaves_of(self.tx, self.chain, ids, header_hashes=headers, late_before=late_before)
            at = 0
            for each in batches:
                count = len(each.row_ids) // ID_BYTES
                hashes = leaves.leaf_hashes[at * HASH_BYTES : (at + count) * HASH_BYTES]
                states = leaves.states[at : at + count]
                at += count
                if states.strip(".") or (each.leaf_hashes is not None and each.leaf_hashes != hashes):
                    self._name(each, hashes, states)

    def _name(self, rows: _Rows, hashes: bytes, states: str) -> None:
        """What is off with the rows of a batch, row by row."""
        redacted: list[UUID] = []
        for at, (row_id, state) in enumerate(zip(_ids(rows.row_ids), states, strict=True)):
            here = slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)
            is_sealed = rows.leaf_hashes is None or rows.leaf_hashes[here] == hashes[here]
            if state == "r":
                redacted.append(row_id)
            if (fault := self._fault(rows, state, is_sealed=is_sealed)) is not None:
                name, message = fault
                seal = rows.number or None
                self.found.add(name, f"{self.thing} {row_id} {message}", seal=seal, row_id=row_id)
        if redacted:
            self._check_redacted(redacted, rows.number or None)

    def _fault(self, rows: _Rows, state: str, *, is_sealed: bool) -> tuple[FaultName, str] | None:
        """What is off with a row, and how the sentence about it goes on."""
        seal = f"seal {rows.number}"
        if state == "m":
            return "ROW_MISSING", f"is missing: {seal if rows.number else 'its batch'} names it"
        if state == "b":
            when = "in no seal yet" if not rows.number else f"before {seal} was made" if is_sealed else f"after {seal}"
            return "ROW_ALTERED", f"was altered, {when}: its body is not the one that arrived"
        if not is_sealed:
            what = "its body or its facts" if self.chain.kind == "arrivals" else "its facts"
            return "ROW_ALTERED", f"was altered: {what} are not what {seal} covers"
        if state == "l":
            when = f"its time is before {rows.late_before}"
            return "ROW_INSERTED", f"was inserted late: {when}, and all of before then had been sealed without it"
        return None

    def _check_redacted(self, raw_ids: Sequence[UUID], seal: int | None) -> None:
        known = set(audit.redacted(self.tx, self.chain.tenant_id, raw_ids).all())
        self.found.redacted_count += len(raw_ids)
        self.found.redacted += raw_ids[: max(self.found.most - len(self.found.redacted), 0)]
        for raw_id in raw_ids:
            if str(raw_id) not in known:
                message = f"arrival {raw_id} was redacted without an audit row that says by whom"
                self.found.add("REDACTION_WITHOUT_AUDIT", message, seal=seal, row_id=raw_id)


def _pages(batches: Iterator[_Rows]) -> Iterator[list[_Rows]]:
    """Batches by the page: some thousand rows, or one large batch."""
    page: list[_Rows] = []
    size = 0
    for batch in batches:
        page.append(batch)
        size += len(batch.row_ids) // ID_BYTES
        if size >= _ROWS or len(page) >= _BATCHES:
            yield page
            page, size = [], 0
    if page:
        yield page


def _count(part: SealedPart) -> int:
    return len(part.row_ids) // ID_BYTES


def _ids(row_ids: bytes) -> list[UUID]:
    return [UUID(bytes=row_ids[start : start + ID_BYTES]) for start in range(0, len(row_ids), ID_BYTES)]
