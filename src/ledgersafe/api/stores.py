"""/v1/stores: the stores of tenants, those that nobody has looked at yet among them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page
from ledgersafe.api.dependencies import Administrator, HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER
from ledgersafe.pipeline.set_up import set_store, stores_page, verify_stores
from ledgersafe.tenants.store import StoreFilter, StoreSettings

router = APIRouter(tags=["tenants"])

StoreId = Annotated[str, Field(min_length=1, max_length=255)]


class StoreShape(Shape):
    """A store; what is null is as of its tenant. `is_verified`: false until a person has looked at it."""

    tenant_id: str
    store_id: str
    name: str | None
    country: str | None
    region: str | None
    currency: str | None
    time_zone: str | None
    day_starts_at: int | None
    is_verified: bool


class StorePage(Shape):
    """`next` is the cursor of the next page, or null at the end."""

    items: list[StoreShape]
    next: str | None


class StoreList(Shape):
    """Stores."""

    items: list[StoreShape]


class StoreWish(Wish):
    """Settings of a store. What is left out stays; null: as of its tenant, or nothing."""

    model_config = ConfigDict(strict=True)

    name: str | None = Field(default=None, description="What people call it.")
    country: str | None = Field(default=None, description="Of its sales where an event names none.")
    region: str | None = None
    currency: str | None = Field(default=None, description="ISO 4217: of its events that name none.")
    time_zone: str | None = Field(default=None, description="IANA name.")
    day_starts_at: int | None = Field(default=None, ge=0, le=23, description="The hour at which its day begins.")
    is_verified: bool = Field(default=True, description="Whether a person has looked at it; setting it says so.")


class VerifyWish(Wish):
    """Which stores somebody has looked at."""

    model_config = ConfigDict(strict=True)

    store_ids: list[StoreId] = Field(min_length=1, max_length=10_000)


@router.get("/v1/stores", summary="Stores")
def get_stores(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    is_verified: Annotated[bool | None, Query(description="false: only those that nobody has looked at.")] = None,
    cursor: Annotated[str | None, Query(max_length=4_000, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> StorePage:
    """Of one tenant, or of all that the key serves. The first event of a store makes it, unverified."""
    whose = credential.tenant_ids if tenant_id is None else (tenant_of(credential, tenant_id),)
    chosen = StoreFilter(whose, is_verified=is_verified, after=_after(cursor))
    rows = stores_page(parts.database, chosen, limit + 1)
    kept, following = one_page(rows, limit, _cursor)
    return StorePage(items=[StoreShape.model_validate(row) for row in kept], next=following)


@router.put("/v1/stores/{store_id:path}", summary="Make a store, or change its settings")
def put_store(
    parts: HasParts,
    credential: Administrator,
    store_id: Annotated[str, Path(min_length=1, max_length=255)],
    wish: StoreWish,
    tenant_id: TenantParameter = None,
) -> StoreShape:
    """What is left out stays. Time zone and day count for what is posted from then on."""
    whose, wanted = tenant_of(credential, tenant_id), wish.model_dump(exclude_unset=True)
    return StoreShape.model_validate(set_store(parts.database, whose, store_id, wanted, parts.operator(credential)))


@router.post("/v1/stores:verify", summary="Note that somebody has looked at stores")
def post_verify(
    parts: HasParts, credential: Administrator, wish: VerifyWish, tenant_id: TenantParameter = None
) -> StoreList:
    """All of them or none. Doing it twice is no error."""
    whose = tenant_of(credential, tenant_id)
    rows = verify_stores(parts.database, whose, wish.store_ids, parts.operator(credential))
    return StoreList(items=[StoreShape.model_validate(row) for row in rows])


def _cursor(row: StoreSettings) -> str:
    return urlsafe_b64encode(orjson.dumps([row.tenant_id, row.store_id])).decode()


def _after(cursor: str | None) -> tuple[str, str] | None:
    """(tenant, store) where the page before ended. Raises RequestRefused(INVALID_PARAMETER)."""
    if cursor is None:
        return None
    try:
        read: Any = orjson.loads(urlsafe_b64decode(cursor.encode()))
    except ValueError:
        read = None
    parts = cast("list[object]", read) if isinstance(read, list) else []
    match parts:
        case [str() as tenant_id, str() as store_id] if "\x00" not in tenant_id + store_id:
            return tenant_id, store_id
        case _:
            raise RequestRefused(INVALID_PARAMETER, "cursor is not one that a page gave as `next`.")
