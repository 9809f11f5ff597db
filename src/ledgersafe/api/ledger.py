"""/v1/ledger: entries, the trial balance, and the months that are open or closed."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.cursors import one_page, read_day_cursor, write_cursor
from ledgersafe.api.days import Day
from ledgersafe.api.dependencies import HasParts, Operating, Reader, TenantParameter
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER
from ledgersafe.ledger.store import Filter
from ledgersafe.pipeline.periods import periods, set_period
from ledgersafe.pipeline.read_ledger import CausedEntry, entries_page, trial_balance

router = APIRouter(tags=["ledger"])

Month = Annotated[str, Path(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="A month, e.g. 2026-02.")]


class EntryLine(Shape):
    """A line of an entry; amounts are decimal strings, debit positive."""

    account: str
    amount: Decimal


class EntryShape(Shape):
    """One balanced posting. `event_id`: of the event that caused it, GET /v1/events/{event_id} tells all about it."""

    entry_id: UUID
    event_id: str | None
    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    store_id: str
    business_date: date
    books_date: date
    posted_at: datetime
    currency: str
    lines: list[EntryLine]
    reverses: UUID | None
    raw_id: UUID


class EntryPage(Shape):
    """One page of entries; `next` is the cursor of the following one."""

    items: list[EntryShape]
    next: str | None


class BalanceShape(Shape):
    """What an account stands at in one currency: `balance` is debit − credit. `store_id` is '' for all stores."""

    account: str
    name: str | None
    type: str | None
    currency: str
    store_id: str
    debit: Decimal
    credit: Decimal
    balance: Decimal


class TrialBalance(Shape):
    """Every account that was posted to."""

    items: list[BalanceShape]


class PeriodShape(Shape):
    """A month, by its first day."""

    period: date
    status: Literal["open", "closed"]
    changed_at: datetime
    changed_by: str


class PeriodList(Shape):
    """Months; one that is not listed is open."""

    items: list[PeriodShape]


class PeriodWish(Wish):
    """Why a month is closed or opened."""

    notes: str


@router.get("/v1/ledger/entries", summary="Entries, by the day they count for")
def get_entries(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    store_id: Annotated[str | None, Query(max_length=255)] = None,
    account: Annotated[str | None, Query(max_length=255, description="Only entries that touch it.")] = None,
    transaction_id: UUID | None = None,
    since: Annotated[Day, Query(description="Books date, this day or later.")] = None,
    until: Annotated[Day, Query(description="Books date, before this day.")] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EntryPage:
    """One page of balanced postings."""
    after = read_day_cursor(cursor)
    chosen = Filter(tenant_of(credential, tenant_id), store_id, account, transaction_id, since, until, after)
    rows = entries_page(parts.database, chosen, limit + 1)
    kept, following = one_page(rows, limit, lambda row: write_cursor(row.entry.books_date, row.entry.entry_id))
    return EntryPage(items=[_shape(row) for row in kept], next=following)


@router.get("/v1/ledger/trial-balance", summary="What every account stands at")
def get_trial_balance(
    parts: HasParts,
    credential: Reader,
    tenant_id: TenantParameter = None,
    as_of: Annotated[Day, Query(description="When this day has ended; left out: with all posted.")] = None,
    by: Annotated[Literal["account", "store"], Query(description="One row an account, or an account and store.")] = (
        "account"
    ),
) -> TrialBalance:
    """Debits are credits, in every currency."""
    rows = trial_balance(parts.database, tenant_of(credential, tenant_id), as_of, by_store=by == "store")
    return TrialBalance(items=[BalanceShape.model_validate(row) for row in rows])


@router.get("/v1/ledger/periods", summary="Which months are closed?")
def get_periods(parts: HasParts, credential: Reader, tenant_id: TenantParameter = None) -> PeriodList:
    """Months that were posted into, closed or opened; any other is open."""
    rows = periods(parts.database, tenant_of(credential, tenant_id))
    return PeriodList(items=[PeriodShape.model_validate(row) for row in rows])


@router.post("/v1/ledger/periods/{period}/close", summary="Close a month")
def post_close(
    parts: HasParts, credential: Operating, period: Month, wish: PeriodWish, tenant_id: TenantParameter = None
) -> PeriodShape:
    """Nothing is posted into it any more: what comes late is held (PERIOD_LOCKED) for an operator to choose a day."""
    return _set(parts, credential, tenant_id, period, "closed", wish)


@router.post("/v1/ledger/periods/{period}/reopen", summary="Open a month again")
def post_reopen(
    parts: HasParts, credential: Operating, period: Month, wish: PeriodWish, tenant_id: TenantParameter = None
) -> PeriodShape:
    """Postings are taken again."""
    return _set(parts, credential, tenant_id, period, "open", wish)


def _set(
    parts: HasParts,
    credential: Operating,
    tenant_id: str | None,
    period: str,
    status: Literal["open", "closed"],
    wish: PeriodWish,
) -> PeriodShape:
    try:
        month = date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise RequestRefused(INVALID_PARAMETER, f"{period} is no month: {error}.") from None
    by = parts.operator(credential)
    return PeriodShape.model_validate(
        set_period(parts.database, tenant_of(credential, tenant_id), month, status, wish.notes, by)
    )


def _shape(caused: CausedEntry) -> EntryShape:
    row = caused.entry
    lines = [
        EntryLine(account=account, amount=amount) for account, amount in zip(row.accounts, row.amounts, strict=True)
    ]
    return EntryShape(
        entry_id=row.entry_id,
        event_id=caused.event_id,
        transaction_id=row.transaction_id,
        revision=row.revision,
        kind=row.kind,
        store_id=row.store_id,
        business_date=row.business_date,
        books_date=row.books_date,
        posted_at=row.posted_at,
        currency=row.currency,
        lines=lines,
        reverses=row.reverses,
        raw_id=row.raw_id,
    )
