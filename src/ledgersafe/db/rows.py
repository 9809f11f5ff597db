"""Row shapes that several stages share."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class TenantCount:
    """A number of rows of one tenant."""

    tenant_id: str
    number: int


@dataclass(frozen=True, slots=True)
class DaySums:
    """What a day of a store comes to, in one currency, included tax taken out: returns and discounts are negative."""

    tenant_id: str
    store_id: str
    books_date: date
    currency: str
    sales: Decimal
    returns: Decimal
    discounts: Decimal
    tax: Decimal
