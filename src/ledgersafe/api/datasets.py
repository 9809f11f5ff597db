"""/v1/datasets and /v1/contracts: what a valid file of a dataset is, and what came of those that were received."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.dependencies import Administrator, HasParts, Reader, TenantParameter
from ledgersafe.api.ingestions import Status
from ledgersafe.api.shapes import FaultShape, Hex, Shape
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.files.store import StoredContract, StoredDataset
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_CONTRACT, INVALID_JSON, INVALID_PARAMETER
from ledgersafe.pipeline import datasets

router = APIRouter(tags=["files"])
_OBJECT = {"schema": {"type": "object"}}
_CONTRACT = {
    "requestBody": {
        "required": True,
        "description": "A contract: ours, or of the Open Data Contract Standard.",
        "content": {"application/json": _OBJECT, "application/yaml": _OBJECT},
    }
}
_YAML = ("application/yaml", "application/x-yaml", "text/yaml")
_LARGEST_VERSION = 2**31 - 1
Name = Annotated[str, Path(max_length=255, description="The dataset.")]
LimitParameter = Annotated[int, Query(ge=1, le=1000)]


class DatasetShape(Shape):
    """A dataset. `waiting`, `quarantined`: deliveries; failed ones count as quarantined, replayed ones do not.

    `with_open_rows`: those that are loaded but for rows that nobody has decided on.
    """

    dataset: str
    kind: Literal["table", "events"] | None
    description: str | None
    contract_version: int | None
    deliveries: int
    last_received_at: datetime | None
    waiting: int
    quarantined: int
    with_open_rows: int


class DatasetList(Shape):
    """One page of datasets, by name; `next` is the cursor of the following one."""

    items: list[DatasetShape]
    next: str | None


class ContractShape(Shape):
    """A version of a contract; `contract` has the members of its YAML."""

    dataset: str
    version: int
    put_at: datetime
    put_by: str
    notes: str | None
    contract: dict[str, Any]


class ContractChangeShape(Shape):
    """What a new version changes. ERROR breaks something for senders of files, or for readers of the table."""

    level: Literal["ERROR", "WARN", "INFO"]
    path: str
    message: str


class ContractPut(Shape):
    """The contract in force. `changed`: it is a new version."""

    changed: bool
    changes: list[ContractChangeShape]
    contract: ContractShape


class Validated(Shape):
    """Whether a contract can be used, and everything that is wrong with it."""

    ok: bool
    dataset: str | None
    faults: list[FaultShape]


class CuratedSample(Shape):
    """Rows of the table, those loaded last first. Numbers with decimals, days and instants are text."""

    dataset: str
    rows: list[dict[str, Any]]


class SeenSchemaShape(Shape):
    """Columns that files had: name → type that the values looked like. The order of columns makes no difference."""

    schema_hash: Hex = Field(description="In hex.")
    columns: dict[str, str]
    first_ingestion_id: UUID
    first_seen_at: datetime
    last_ingestion_id: UUID
    last_seen_at: datetime
    deliveries: int


class SchemaHistory(Shape):
    """Every header that files of a dataset had, latest first."""

    items: list[SeenSchemaShape]


class TrendShape(Shape):
    """A delivery in figures. `faults`: how many, by rule. `null_fractions`: by column.

    `rows_open`, `replayed_as`: as of a delivery.
    """

    ingestion_id: UUID
    filename: str
    received_at: datetime
    status: Status
    reason_code: str | None
    rows_in: int
    rows_ok: int
    rows_bad: int
    rows_open: int
    replayed_as: UUID | None
    faults: dict[str, int]
    null_fractions: dict[str, float]


class Trends(Shape):
    """The last deliveries of a dataset, latest first."""

    items: list[TrendShape]


@router.get("/v1/datasets", summary="Datasets, by name")
def get_datasets(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    cursor: Annotated[str | None, Query(max_length=255, description="`next` of the page before.")] = None,
    limit: LimitParameter = 100,
) -> DatasetList:
    """Those with a contract, and those of which a file was received."""
    rows = datasets.datasets(parts.database, tenant_of(credential, tenant_id), cursor or "", limit + 1)
    kept, following = one_page(rows, limit, lambda row: row.dataset)
    return DatasetList(items=[_dataset(row) for row in kept], next=following)


@router.get("/v1/datasets/{dataset}/contract", summary="A dataset's contract")
def get_contract(
    parts: HasParts,
    credential: Reader,
    dataset: Name,
    tenant_id: TenantParameter = None,
    version: Annotated[int | None, Query(ge=1, le=_LARGEST_VERSION, description="Left out: the one in force.")] = None,
) -> ContractShape:
    """Every version stays on record."""
    return _contract(datasets.find_contract(parts.database, tenant_of(credential, tenant_id), dataset, version))


@router.put("/v1/datasets/{dataset}/contract", summary="Put a contract in force", openapi_extra=_CONTRACT)
async def put_contract(
    request: Request,
    parts: HasParts,
    credential: Administrator,
    dataset: Name,
    tenant_id: TenantParameter = None,
    notes: Annotated[str | None, Query(max_length=1000, description="Why.")] = None,
) -> ContractPut:
    """As JSON or YAML. What says the same as the one in force makes no new version. Deliveries that wait, or are
    worked on, keep the version that they were begun with.
    """
    whose, read = tenant_of(credential, tenant_id), await _read(request)
    put = await asyncio.to_thread(
        datasets.put_contract, parts.database, whose, dataset, read, notes, parts.operator(credential)
    )
    changes = [ContractChangeShape.model_validate(change) for change in put.changes]
    return ContractPut(changed=put.changed, changes=changes, contract=_contract(put.contract))


@router.post("/v1/contracts/validate", summary="Can this contract be used?", openapi_extra=_CONTRACT)
async def post_validate(request: Request, credential: Reader) -> Validated:
    """Nothing is stored. Every fault is named with its place."""
    del credential
    try:
        found = await _read(request)
    except RequestRefused as refusal:
        if refusal.reason is not INVALID_CONTRACT:
            raise
        faults = [FaultShape.model_validate(fault.as_json()) for fault in refusal.faults]
        return Validated(ok=False, dataset=None, faults=faults)
    return Validated(ok=True, dataset=found.name, faults=[])


@router.get("/v1/datasets/{dataset}/curated/sample", summary="Rows of a dataset's table")
def get_sample(
    parts: HasParts,
    credential: Reader,
    dataset: Name,
    tenant_id: TenantParameter = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> CuratedSample:
    """Those loaded last first, each with the delivery and the row of the file that it came from."""
    rows = datasets.sample(parts.database, tenant_of(credential, tenant_id), dataset, limit)
    return CuratedSample(dataset=dataset, rows=rows)


@router.get("/v1/datasets/{dataset}/schema_history", summary="Headers that files had")
def get_schema_history(
    parts: HasParts, credential: Reader, dataset: Name, tenant_id: TenantParameter = None, limit: LimitParameter = 100
) -> SchemaHistory:
    """Which columns came, since when, and in how many files; latest first."""
    rows = datasets.schema_history(parts.database, tenant_of(credential, tenant_id), dataset, limit)
    return SchemaHistory(items=[SeenSchemaShape.model_validate(row) for row in rows])


@router.get("/v1/datasets/{dataset}/trends", summary="Deliveries in figures")
def get_trends(
    parts: HasParts, credential: Reader, dataset: Name, tenant_id: TenantParameter = None, limit: LimitParameter = 100
) -> Trends:
    """Rows, faults by rule and shares of nulls of the last deliveries, latest first."""
    rows = datasets.trends(parts.database, tenant_of(credential, tenant_id), dataset, limit)
    return Trends(items=[_trend(row) for row in rows])


async def _read(request: Request) -> Dataset:
    """The contract of a body. Raises RequestRefused."""
    media_type = request.headers.get("content-type", "application/json").split(";", 1)[0].strip().lower()
    try:
        text = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestRefused(INVALID_PARAMETER, f"The body is not UTF-8: {error.reason}.") from None
    try:
        return datasets.read_contract(text, is_json=media_type not in _YAML)
    except RequestRefused as refusal:
        if refusal.reason is not INVALID_JSON:
            raise
        told = f"{refusal.detail} A contract in YAML is sent with Content-Type: application/yaml."
        raise RequestRefused(INVALID_JSON, told) from None


def _dataset(row: StoredDataset) -> DatasetShape:
    members: dict[str, Any] = {} if row.members is None else orjson.loads(row.members)
    return DatasetShape(
        dataset=row.dataset,
        kind=None if row.members is None else members.get("kind", "table"),
        description=members.get("description"),
        contract_version=row.version,
        deliveries=row.deliveries,
        last_received_at=row.last_received_at,
        waiting=row.waiting,
        quarantined=row.quarantined,
        with_open_rows=row.with_open_rows,
    )


def _contract(stored: StoredContract) -> ContractShape:
    return ContractShape(
        dataset=stored.dataset,
        version=stored.version,
        put_at=stored.put_at,
        put_by=stored.put_by,
        notes=stored.notes,
        contract=orjson.loads(stored.members),
    )


def _trend(row: datasets.Trend) -> TrendShape:
    of = row.ingestion
    return TrendShape(
        ingestion_id=of.ingestion_id,
        filename=of.filename,
        received_at=of.received_at,
        status=of.status,
        reason_code=of.reason_code,
        rows_in=of.rows_in,
        rows_ok=of.rows_ok,
        rows_bad=of.rows_bad,
        rows_open=row.standing.rows_open,
        replayed_as=row.standing.replayed_as,
        faults=dict(row.faults),
        null_fractions=dict(row.null_fractions),
    )
