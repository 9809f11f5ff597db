"""/v1/ingestions: files are received, and what became of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.requests import ClientDisconnect

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.dependencies import HasParts, Ingesting, Operating, Parts, Reader, TenantParameter
from ledgersafe.api.shapes import AuditShape, Hex, Shape, Wish
from ledgersafe.files.store import Chosen, Ingestion, IngestionName
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE
from ledgersafe.pipeline import land
from ledgersafe.pipeline.bad_rows import counted
from ledgersafe.pipeline.land import DATASET_NAME, Announced, Incoming
from ledgersafe.storage.incoming import IncomingFile, too_large
from ledgersafe.storage.zone import ZoneUnavailable
from ledgersafe.tenants.rules import Credential

router = APIRouter(tags=["files"])
_WRITTEN_AT_ONCE = 1 << 20
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_UPLOAD = {"requestBody": {"required": True, "description": "The file's bytes.", "content": _BYTES}}
Status = Literal["received", "processing", "succeeded", "quarantined", "failed"]
DatasetParameter = Annotated[str, Query(pattern=DATASET_NAME, description="Whose contract it is judged by.")]
SourceParameter = Annotated[
    str | None, Query(min_length=1, max_length=255, description="Where it comes from, in your words.")
]


class IngestionShape(Shape):
    """A delivery. `received`: waits for a worker; `quarantined`: nothing of it is loaded until a person decides.

    `outcomes`: what became of its events. `facts`: how its bytes were read. `drifted`: its columns differ from its
    contract's; null where they were not looked at. Its counts stay as they were when it ended; `rows_open` tells how
    many of `rows_bad` nobody has decided on. `replayed_as`: the latest delivery of the same bytes, where that is a
    later one: how the file stands is said there.
    """

    ingestion_id: UUID
    tenant_id: str
    dataset: str
    filename: str
    source: str | None
    sha256: Hex = Field(description="In hex.")
    size_bytes: int
    replay_of: UUID | None
    contract_version: int | None
    status: Status
    attempts: int
    received_at: datetime
    received_by: str
    started_at: datetime | None
    ended_at: datetime | None
    rows_in: int
    rows_ok: int
    rows_bad: int
    rows_open: int
    replayed_as: UUID | None
    drifted: bool | None
    outcomes: dict[str, int] | None
    reason_code: str | None
    detail: str | None
    facts: dict[str, Any] | None


class BadRowsShape(Shape):
    """How many bad rows of a delivery wait for a decision, were put right and loaded, and were left out, by now."""

    open: int
    replayed: int
    ignored: int


class IngestionDetails(IngestionShape):
    """A delivery with its reports, and what was decided of it. Its own counts stay as they were when it ended;
    `bad_rows` says how its bad rows stand now. Of a table, `quality` counts good rows as `inserted`, `replaced`,
    `unchanged` (the table has them already) and `older` (it has what a later file says).
    """

    raw_path: str
    bad_rows: BadRowsShape
    quality: dict[str, Any] | None
    drift: dict[str, Any] | None
    lineage: dict[str, Any] | None
    audit: list[AuditShape]


class IngestionList(Shape):
    """One page of deliveries, latest first; `next` is the cursor of the following one."""

    items: list[IngestionShape]
    next: UUID | None


class Received(Shape):
    """The delivery of these bytes. `duplicate`: they came before, and this is the delivery of then.

    `detail`: what to know of it: that a later file is loaded, whose rows count.
    """

    duplicate: bool
    detail: str | None
    ingestion: IngestionShape


class PathWish(Wish):
    """A file of the API's machine, in a folder of LEDGERSAFE_FILES_FROM."""

    path: str = Field(min_length=1, max_length=4000)
    dataset: str = Field(pattern=DATASET_NAME)
    source: str | None = Field(default=None, min_length=1, max_length=255)


class ReplayWish(Wish):
    """Why."""

    notes: str = Field(max_length=4000)


_SAME = {200: {"model": Received, "description": "These bytes were received before."}}


@router.post("/v1/ingestions", status_code=201, summary="Upload a file", openapi_extra=_UPLOAD, responses={**_SAME})
async def post_ingestion(
    request: Request,
    response: Response,
    parts: HasParts,
    credential: Ingesting,
    dataset: DatasetParameter,
    filename: Annotated[
        str,
        Query(min_length=1, max_length=255, description="Its end says the format: .csv, .tsv, .json, .ndjson, …"),
    ],
    source: SourceParameter = None,
    tenant_id: TenantParameter = None,
) -> Received:
    """The body is the file as it is. It is kept for ever, then worked through by a worker; the same bytes again are
    the first delivery.
    """
    announced = Announced(tenant_of(credential, tenant_id), dataset, filename, source)
    _check_head(request, announced, parts)
    try:
        incoming = await asyncio.to_thread(IncomingFile, parts.landing.zone, parts.landing.max_bytes)
        with incoming:
            await _write(request, incoming, parts.landing.patience)
            landed = await asyncio.to_thread(_land, parts, credential, announced, incoming)
            return await asyncio.to_thread(_answer, parts, landed, response)
    except ZoneUnavailable as error:
        raise land.not_kept(error) from error


@router.post(
    "/v1/ingestions/from_path", status_code=201, summary="Receive a file of the API's machine", responses={**_SAME}
)
def post_from_path(
    parts: HasParts, response: Response, credential: Ingesting, wish: PathWish, tenant_id: TenantParameter = None
) -> Received:
    """Only from the folders of LEDGERSAFE_FILES_FROM, links followed. The file stays where it is."""
    whose, by = tenant_of(credential, tenant_id), parts.operator(credential)
    path = land.allowed_path(wish.path, parts.landing.folders)
    announced = Announced(whose, wish.dataset, PurePosixPath(wish.path).name, wish.source)
    where = parts.landing
    return _answer(parts, land.land_path(parts.database, where.zone, path, announced, where.max_bytes, by), response)


@router.get("/v1/ingestions", summary="Deliveries, latest first")
def get_ingestions(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    dataset: Annotated[str | None, Query(pattern=DATASET_NAME)] = None,
    status: Annotated[Status | None, Query(description="Where they stand.")] = None,
    with_open_rows: Annotated[bool, Query(description="Only with bad rows that nobody has decided on.")] = False,
    only_latest: Annotated[bool, Query(description="Of several of the same bytes, only the one that counts.")] = False,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> IngestionList:
    """Replays are deliveries of their own; with_open_rows and only_latest leave out what was replayed since."""
    chosen, whose = Chosen(dataset, status, with_open_rows, only_latest), tenant_of(credential, tenant_id)
    rows = land.deliveries(parts.database, whose, chosen, cursor, limit + 1)
    kept, following = one_page(rows, limit, lambda row: row.ingestion_id)
    return IngestionList(items=_shapes(parts, whose, kept), next=following)


@router.get("/v1/ingestions/{ingestion_id}", summary="One delivery, with its reports")
def get_ingestion(
    parts: HasParts, credential: Reader, ingestion_id: UUID, tenant_id: TenantParameter = None
) -> IngestionDetails:
    """What came of it, and why: quality, drift, lineage, how its bad rows stand now, and who decided what."""
    found = land.find(parts.database, tenant_of(credential, tenant_id), ingestion_id)
    of = found.ingestion
    shape: dict[str, Any] = _shape(parts, of).model_dump()
    shape |= {"raw_path": of.raw_path, "quality": of.quality, "drift": of.drift, "lineage": of.lineage}
    shape["bad_rows"] = BadRowsShape.model_validate(counted(parts.database, IngestionName(of.tenant_id, ingestion_id)))
    return IngestionDetails(**shape, audit=[AuditShape.model_validate(entry) for entry in found.audit])


@router.post("/v1/ingestions/{ingestion_id}/replay", status_code=201, summary="Work a delivery through again")
def post_replay(
    parts: HasParts,
    credential: Operating,
    ingestion_id: UUID,
    wish: ReplayWish,
    tenant_id: TenantParameter = None,
) -> IngestionShape:
    """A delivery of its own, of the same file, judged by the contract that is in force then.

    What it loads counts as received when the file was: it replaces nothing of later files, and doubles nothing.
    """
    by, whose = parts.operator(credential), tenant_of(credential, tenant_id)
    return _shape(parts, land.replay(parts.database, whose, ingestion_id, wish.notes, by))


def _shapes(parts: Parts, tenant_id: str, rows: Sequence[Ingestion]) -> list[IngestionShape]:
    """Deliveries of a tenant, with how they stand by now."""
    stand = land.standings(parts.database, tenant_id, [row.ingestion_id for row in rows])
    shared = [name for name in IngestionShape.model_fields if name not in ("rows_open", "replayed_as")]
    return [
        IngestionShape(
            **{name: getattr(row, name) for name in shared},
            rows_open=stand[row.ingestion_id].rows_open,
            replayed_as=stand[row.ingestion_id].replayed_as,
        )
        for row in rows
    ]


def _shape(parts: Parts, row: Ingestion) -> IngestionShape:
    return _shapes(parts, row.tenant_id, [row])[0]


def _check_head(request: Request, announced: Announced, parts: Parts) -> None:
    """What can be said before the first byte. Raises RequestRefused."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        message = "Send the file as it is, without a Content-Encoding; it may well be packed itself (.gz, .zst)."
        raise RequestRefused(UNSUPPORTED_MEDIA_TYPE, message)
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        message = "The body is a form, not the file: send the file's bytes alone (curl --data-binary @FILE)."
        raise RequestRefused(UNSUPPORTED_MEDIA_TYPE, message)
    land.check(announced)
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > parts.landing.max_bytes:
        raise too_large(parts.landing.max_bytes)


async def _write(request: Request, incoming: IncomingFile, patience: float) -> None:
    """As it comes, in large pieces. Raises RequestRefused: too large, too slow, or cut off."""
    pieces, held, size = request.stream(), list[bytes](), 0
    while piece := await _next(pieces, patience):
        held.append(piece)
        size += len(piece)
        if size >= _WRITTEN_AT_ONCE:
            await asyncio.to_thread(incoming.write, b"".join(held))
            held, size = list[bytes](), 0
    await asyncio.to_thread(incoming.write, b"".join(held))


async def _next(pieces: AsyncIterator[bytes], patience: float) -> bytes:
    """The next bytes; none at the end."""
    try:
        async with asyncio.timeout(patience):
            return await anext(pieces, b"")
    except TimeoutError:
        message = f"Nothing of the file came for {patience:g} seconds."
        raise RequestRefused(REQUEST_TIMEOUT, message, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise RequestRefused(REQUEST_TIMEOUT, "The connection ended before the file did.") from None


def _land(parts: Parts, credential: Credential, announced: Announced, incoming: IncomingFile) -> land.Landed:
    received = Incoming(announced, incoming.path, incoming.complete(), incoming.size)
    return land.land(parts.database, parts.landing.zone, received, parts.operator(credential))


def _answer(parts: Parts, landed: land.Landed, response: Response) -> Received:
    if landed.duplicate:
        response.status_code = 200
    return Received(duplicate=landed.duplicate, detail=landed.detail, ingestion=_shape(parts, landed.ingestion))
