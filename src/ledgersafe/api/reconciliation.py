"""GET /v1/reconciliation: day by day, what came from each store, what is in the books, and whether they tie out."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.days import Day
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape
from ledgersafe.db.rows import Days
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER
from ledgersafe.pipeline.reconcile import Day as OneDay
from ledgersafe.pipeline.reconcile import StoreDay, reconciliation

router = APIRouter(tags=["reports"])
_WEEK = 7


class SumsShape(Shape):
    """Decimal strings. Returns and discounts are negative; net is gross + returns + discounts - included tax."""

    gross: Decimal
    returns: Decimal
    discounts: Decimal
    tax: Decimal
    net: Decimal


class CurrencyShape(Shape):
    """What lines, accounts and gold say of a day. `pending`: what gold has yet to add; `off_in_…`: more than the lines.

    The accounts are brought to the terms of the lines: with the tax that amounts include, without that of adjustments.
    """

    currency: str
    ok: bool
    lines: SumsShape
    accounts: SumsShape
    gold: SumsShape
    pending: SumsShape
    off_in_accounts: SumsShape
    off_in_gold: SumsShape


class EventsShape(Shape):
    """Events of a day: `arrived` = `posted` + `parked` + `waiting` + `ignored`.

    Those in the books count for their books date, the others for the trading day of the store. `disputed`: posted, and
    another payload of theirs is parked.
    """

    arrived: int
    posted: int
    parked: int
    waiting: int
    ignored: int
    disputed: int


class StoreDayShape(Shape):
    """A day of a store; `ok` where its events add up and its sums are the same everywhere."""

    books_date: date
    store_id: str
    ok: bool
    events: EventsShape
    sums: list[CurrencyShape]


class ReconciliationPage(Shape):
    """Days from `since` to `until`, both included. `next` is the cursor of the following days up to `last`, or null."""

    ok: bool
    since: date
    until: date
    last: date
    items: list[StoreDayShape]
    next: date | None


@router.get("/v1/reconciliation", summary="Does each day tie out?")
def get_reconciliation(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    store_id: Annotated[str | None, Query(max_length=255)] = None,
    since: Annotated[Day, Query(description="This day or later; left out: a week before `until`.")] = None,
    until: Annotated[Day, Query(description="This day or earlier; left out: tomorrow in UTC.")] = None,
    cursor: Annotated[Day, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=31, description="Days a page.")] = _WEEK,
) -> ReconciliationPage:
    """For who closes the books: nothing parked, nothing waiting, and every difference 0. One snapshot a page."""
    chosen = tenant_of(credential, tenant_id)
    last = until or date.fromordinal(parts.clock.now().toordinal() + 1)
    first = cursor or since or date.fromordinal(max(last.toordinal() - _WEEK, 1))
    if first > last:
        raise RequestRefused(INVALID_PARAMETER, f"since ({first}) is after until ({last}).")
    ends = date.fromordinal(min(first.toordinal() + limit - 1, last.toordinal()))
    found = reconciliation(parts.database, chosen, Days(first, ends, store_id))
    following = date.fromordinal(ends.toordinal() + 1) if ends < last else None
    items = [_shape(day) for day in found]
    ok = all(day.ok for day in found)
    return ReconciliationPage(ok=ok, since=first, until=ends, last=last, items=items, next=following)


def _shape(day: StoreDay) -> StoreDayShape:
    events = EventsShape.model_validate(day.events)
    sums = [_of_currency(one) for one in day.sums]
    return StoreDayShape(books_date=day.books_date, store_id=day.store_id, ok=day.ok, events=events, sums=sums)


def _of_currency(day: OneDay) -> CurrencyShape:
    parts = {
        name: SumsShape.model_validate(getattr(day, name))
        for name in ("lines", "accounts", "gold", "pending", "off_in_accounts", "off_in_gold")
    }
    return CurrencyShape(currency=day.place.currency, ok=day.ok, **parts)
