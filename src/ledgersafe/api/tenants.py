"""/v1/tenants: what is set for tenants, and everything of many at once, as a file has it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.dependencies import Administrator, HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.pipeline.set_up import export_tenants, import_tenants, set_tenant, tenant, tenants_page
from ledgersafe.tenants.store import TenantSettings

router = APIRouter(tags=["tenants"])

TenantId = Annotated[str, Path(min_length=1, max_length=255)]
Policy = Literal["allow", "park"]


class TenantShape(Shape):
    """All that is set for a tenant. `unverified_stores`: how many nobody has looked at yet."""

    tenant_id: str
    currency: str | None
    time_zone: str
    day_starts_at: int
    unreferenced_returns: Policy
    unknown_stores: Policy
    correction_days: int | None
    simulated: bool
    created_at: datetime
    created_by: str
    stores: int
    unverified_stores: int


class TenantPage(Shape):
    """`next` is the cursor of the next page, or null at the end."""

    items: list[TenantShape]
    next: str | None


class SourceShape(Shape):
    """A source of events; the fingerprints of its events leave `volatile_fields` (JSON Pointers) out."""

    source_system: str
    volatile_fields: list[str]


class TenantDetail(TenantShape):
    """A tenant with its sources. Its stores are at /v1/stores."""

    sources: list[SourceShape]


class TenantWish(Wish):
    """Settings of a tenant. What is left out stays; null takes away what may be missing."""

    model_config = ConfigDict(strict=True)

    currency: str | None = Field(default=None, description="ISO 4217: of events that name none.")
    time_zone: str = Field(default="UTC", description="IANA name: of stores that have none of their own.")
    day_starts_at: int = Field(default=0, ge=0, le=23, description="The hour of local time at which a day begins.")
    unreferenced_returns: Policy = Field(default="allow", description="Of returns that name no original.")
    unknown_stores: Policy = Field(default="allow", description="Of events of stores that nobody has set up.")
    correction_days: int | None = Field(
        default=None, description="How long a transaction may be corrected; null: always."
    )
    simulated: bool = Field(default=False, description="Whether its books are made up.")


class ImportWish(Wish):
    """Tenants with their stores and sources, as `ledgersafe tenants export` writes them; docs/tenants.md."""

    model_config = ConfigDict(strict=True)

    tenants: list[dict[str, Any]] = Field(examples=[[{"tenant_id": "acme", "stores": [{"store_id": "berlin-1"}]}]])
    dry_run: bool = Field(default=False, description="Only tell what would change.")


class ChangeShape(Shape):
    """What changes of one thing: only the members that do. `before` is null where it was not there."""

    tenant_id: str
    object_type: Literal["tenant", "store", "source"]
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any]


class ImportAnswer(Shape):
    """What changed, or would."""

    dry_run: bool
    changes: list[ChangeShape]


class ExportAnswer(Shape):
    """Tenants with all that is set for them; importing it changes nothing."""

    tenants: list[dict[str, Any]]


@router.get("/v1/tenants", summary="The tenants that the key serves")
def get_tenants(
    parts: HasParts,
    credential: Reader,
    cursor: Annotated[str | None, Query(max_length=255, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> TenantPage:
    """In the order of their ids, with all that is set for them."""
    rows = tenants_page(parts.database, credential.tenant_ids, cursor, limit + 1)
    kept, following = one_page(rows, limit, lambda row: row.tenant_id)
    return TenantPage(items=[_shape(row) for row in kept], next=following)


@router.get("/v1/tenants/{tenant_id:path}", summary="One tenant's settings")
def get_tenant(parts: HasParts, credential: Reader, tenant_id: TenantId) -> TenantDetail:
    """With those of its sources."""
    found, sources = tenant(parts.database, tenant_of(credential, tenant_id))
    listed = [SourceShape.model_validate(source) for source in sources]
    return TenantDetail(**_shape(found).model_dump(), sources=listed)


@router.patch("/v1/tenants/{tenant_id:path}", summary="Change a tenant's settings")
def patch_tenant(parts: HasParts, credential: Administrator, tenant_id: TenantId, wish: TenantWish) -> TenantShape:
    """Every process goes by them within some seconds. Time zone and day count for what is posted from then on."""
    wanted = wish.model_dump(exclude_unset=True)
    whose = tenant_of(credential, tenant_id)
    return _shape(set_tenant(parts.database, whose, wanted, parts.operator(credential)))


@router.post("/v1/tenants:import", summary="Make or change tenants, their stores and their sources")
def post_import(parts: HasParts, credential: Administrator, wish: ImportWish) -> ImportAnswer:
    """All of it or nothing; details lists every fault with its path. Doing it twice changes nothing."""
    by = parts.operator(credential)
    changes = import_tenants(parts.database, wish.tenants, by, dry_run=wish.dry_run)
    return ImportAnswer(dry_run=wish.dry_run, changes=[ChangeShape.model_validate(change) for change in changes])


@router.get("/v1/tenants:export", summary="All that is set for tenants, their stores and their sources")
def get_export(parts: HasParts, credential: Reader, tenant_id: TenantParameter = None) -> ExportAnswer:
    """Of one tenant, or of all that the key serves; importing it changes nothing."""
    whose = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    return ExportAnswer(tenants=export_tenants(parts.database, whose))


def _shape(row: TenantSettings) -> TenantShape:
    return TenantShape.model_validate(row)
