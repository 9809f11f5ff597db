"""/v1/ledger/chart and /v1/ledger/accounts: which account plays which role, and every account on record."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import Administrator, HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.pipeline.chart import accounts, chart, put_chart

router = APIRouter(tags=["ledger"])


class ListedAccount(Shape):
    """An account of a chart; `role` is what posting rules call it."""

    account: str
    role: str
    type: str
    name: str


class AccountShape(ListedAccount):
    """An account on record; `retired_at`: since when nothing new is posted to it, null while it is in use."""

    retired_at: datetime | None


class AccountList(Shape):
    """Accounts."""

    items: list[AccountShape]


class Chart(Shape):
    """A chart of accounts: one account a role."""

    accounts: list[ListedAccount]


class ChartWish(Wish):
    """A whole chart: a list of {account, role, type, name}, one account a role, every role played."""

    model_config = ConfigDict(strict=True)

    accounts: list[Any] = Field(
        examples=[[{"account": "1000", "role": "cash", "type": "asset", "name": "Cash drawer"}]],
        json_schema_extra={"items": {"type": "object"}},
    )
    dry_run: bool = Field(default=False, description="Only tell what would change.")


class AccountChangeShape(Shape):
    """What changes of one account; null: it was not, or is no more, in use."""

    account: str
    before: ListedAccount | None
    after: ListedAccount | None


class ChartAnswer(Shape):
    """What changed, or would."""

    dry_run: bool
    changes: list[AccountChangeShape]


@router.get("/v1/ledger/accounts", summary="Every account on record")
def get_accounts(parts: HasParts, credential: Reader, tenant_id: TenantParameter = None) -> AccountList:
    """Retired ones too: entries name them."""
    rows = accounts(parts.database, tenant_of(credential, tenant_id))
    return AccountList(items=[AccountShape.model_validate(row) for row in rows])


@router.get("/v1/ledger/chart", summary="The chart of accounts")
def get_chart(parts: HasParts, credential: Reader, tenant_id: TenantParameter = None) -> Chart:
    """Which account plays which role in postings; putting it changes nothing."""
    rows = chart(parts.database, tenant_of(credential, tenant_id))
    return Chart(accounts=[ListedAccount.model_validate(row) for row in rows])


@router.put("/v1/ledger/chart", summary="Replace the chart of accounts")
def put_ledger_chart(
    parts: HasParts, credential: Administrator, wish: ChartWish, tenant_id: TenantParameter = None
) -> ChartAnswer:
    """For what is posted from then on; an account that is left out is retired and stays on record.

    An account that was posted to keeps its role and type. Doing it twice changes nothing.
    """
    whose, by = tenant_of(credential, tenant_id), parts.operator(credential)
    changes = put_chart(parts.database, whose, wish.accounts, by, dry_run=wish.dry_run)
    return ChartAnswer(dry_run=wish.dry_run, changes=[AccountChangeShape.model_validate(change) for change in changes])
