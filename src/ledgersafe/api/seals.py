"""/v1/seals: the chains of seals, their signed head, and whether they hold."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from threading import BoundedSemaphore
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape
from ledgersafe.audit.rules import Kind, Seal
from ledgersafe.audit.store import Chain
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, SEAL_KEY_UNUSABLE, VERIFICATIONS_RUNNING
from ledgersafe.pipeline.seal import head_of, seals_page
from ledgersafe.pipeline.seal_key import UnusableKey, load_or_make, public_part, sign
from ledgersafe.pipeline.verify import require_tenant
from ledgersafe.pipeline.verify_seals import ChainCheck, verify_seals_page

router = APIRouter(tags=["seals"])

_AT_ONCE = 1
_running = BoundedSemaphore(_AT_ONCE)
"""It reads every body of a tenant and holds a connection as long."""


class SealShape(Shape):
    """A seal; hashes in hex. `swept_until`: every row of before then had been sealed with it."""

    kind: Kind
    number: int
    seal_id: UUID
    format: int
    previous_hash: str
    merkle_root: str
    batches_hash: str
    rows: int
    batches: int
    sealed_at: datetime
    swept_until: datetime | None
    seal_hash: str


class SealPage(Shape):
    """Seals, newest first; `next` is the cursor of the following page."""

    items: list[SealShape]
    next: str | None


class HeadAnswer(Shape):
    """`jws`: the signed statement, to be kept where no operator of this installation can change it.

    `statement` is what it says; `public_key` (JWK) is what it is verified with.
    """

    jws: str
    statement: dict[str, Any]
    public_key: dict[str, Any]


class SealFaultShape(Shape):
    """One thing that is off: what, in words, and which seal and row show it."""

    name: str
    message: str
    seal: int | None
    row_id: UUID | None


class ChainShape(Shape):
    """What was found of one tenant's seals of one kind. Faults and redacted arrivals beyond a hundred are only counted.

    `pending`: rows that no seal covers yet.
    """

    tenant_id: str
    kind: Kind
    ok: bool
    seals: int
    rows: int
    pending: int
    head_hash: str | None
    fault_count: int
    faults: list[SealFaultShape]
    redacted_count: int
    redacted: list[UUID]


class SealsVerified(Shape):
    """`ok` only if every chain here holds. `next` is the cursor of the next page, or null at the end."""

    ok: bool
    chains: list[ChainShape]
    next: str | None


@router.get("/v1/seals", summary="Seals, newest first")
def get_seals(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    kind: Annotated[Kind, Query(description="Of what.")] = "arrivals",
    number: Annotated[int | None, Query(ge=1, lt=1 << 62, description="Only this one.")] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SealPage:
    """One page of a chain."""
    chain = Chain(tenant_of(credential, tenant_id), kind)
    if number is not None:
        only = [seal for seal in seals_page(parts.database, chain, number + 1, 1) if seal.number == number]
        return SealPage(items=[_shape(seal) for seal in only], next=None)
    found = seals_page(parts.database, chain, _before(cursor), limit + 1)
    kept, following = one_page(found, limit, lambda row: _cursor(str(row.number)))
    return SealPage(items=[_shape(seal) for seal in kept], next=following)


@router.get("/v1/seals/head", summary="The signed head of a tenant's seals")
def get_head(parts: HasParts, credential: Reader, tenant_id: TenantParameter = None) -> HeadAnswer:
    """The newest seal of each kind, signed (JWS, Ed25519). Kept elsewhere, it shows that none was rewritten since."""
    statement = head_of(parts.database, tenant_of(credential, tenant_id), parts.clock.now())
    try:
        key = load_or_make(parts.seal_key)
    except UnusableKey as error:
        raise RequestRefused(SEAL_KEY_UNUSABLE, f"{error} See LEDGERSAFE_SEAL_KEY.", {"Retry-After": "60"}) from error
    return HeadAnswer(jws=sign(statement, key), statement=statement, public_key=public_part(key))


@router.get("/v1/seals/verify", summary="Do the seals hold?", response_model=SealsVerified)
def get_verify_seals(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    cursor: Annotated[str | None, Query(max_length=2_000, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Tenants a page.")] = 20,
) -> Response:
    """Makes every hash anew from the rows and bodies, so it reads all of them. Several tenants: page by page.

    404 NOT_FOUND where the tenant that an all-tenants key names does not exist.
    """
    one = None if tenant_id is None and credential.tenant_ids is None else tenant_of(credential, tenant_id)
    after = _read(cursor)
    if not _running.acquire(blocking=False):
        detail = f"{_AT_ONCE} verification of seals is running in this process. Send it again."
        raise RequestRefused(VERIFICATIONS_RUNNING, detail, {"Retry-After": "5"})
    try:
        found, last = verify_seals_page(parts.database, parts.clock.now(), one, after, limit)
        if tenant_id is not None and credential.tenant_ids is None and not any(map(_has_anything, found)):
            require_tenant(parts.database, tenant_id)
    finally:
        _running.release()
    chains = [_chain_shape(each) for each in found]
    answer = SealsVerified(
        ok=all(chain.ok for chain in chains), chains=chains, next=None if last is None else _cursor(last)
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def _has_anything(chain: ChainCheck) -> bool:
    return bool(chain.seals or chain.rows or chain.pending or chain.fault_count)


def _shape(seal: Seal) -> SealShape:
    return SealShape(
        kind=seal.kind,
        number=seal.number,
        seal_id=seal.seal_id,
        format=seal.format,
        previous_hash=seal.previous_hash.hex(),
        merkle_root=seal.merkle_root.hex(),
        batches_hash=seal.batches_hash.hex(),
        rows=seal.rows,
        batches=seal.batches,
        sealed_at=seal.sealed_at,
        swept_until=seal.swept_until,
        seal_hash=seal.seal_hash.hex(),
    )


def _chain_shape(found: ChainCheck) -> ChainShape:
    return ChainShape(
        tenant_id=found.tenant_id,
        kind=found.kind,
        ok=found.ok,
        seals=found.seals,
        rows=found.rows,
        pending=found.pending,
        head_hash=None if found.head_hash is None else found.head_hash.hex(),
        fault_count=found.fault_count,
        faults=[SealFaultShape.model_validate(fault) for fault in found.faults],
        redacted_count=found.redacted_count,
        redacted=found.redacted,
    )


def _cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _read(cursor: str | None) -> str:
    """What a page goes on after; '' for the first one. Raises RequestRefused(INVALID_PARAMETER)."""
    try:
        after = urlsafe_b64decode((cursor or "").encode()).decode()
    except ValueError:
        after = "\x00"
    if "\x00" in after:
        raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.")
    return after


def _before(cursor: str | None) -> int | None:
    text = _read(cursor)
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.")
    return int(text) if text else None
