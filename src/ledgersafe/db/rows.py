"""Row shapes that several stages share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class TenantCount:
    """A number of rows of one tenant."""

    tenant_id: str
    number: int


@dataclass(frozen=True, slots=True)
class MinuteCount:
    """A number of things in one of the minutes that were asked for, the first of which is 1."""

    minute: int
    number: int


@dataclass(frozen=True, slots=True)
class Findings:
    """Rows of one tenant that are not as they must be: how many, and the first 20 of them in words."""

    tenant_id: str
    number: int
    examples: list[str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whose books are held against each other, and which of their days, both included; None: the first, the last."""

    tenant_ids: Sequence[str]
    since: date | None = None
    until: date | None = None

    def parameters(self) -> dict[str, Any]:
        """For statements that name all three, or fewer."""
        return {"tenant_ids": list(self.tenant_ids), "since": self.since, "until": self.until}


@dataclass(frozen=True, slots=True)
class Days:
    """Days of a tenant's books, both included; of one store, or of all."""

    since: date
    until: date
    store_id: str | None = None

    def parameters(self) -> dict[str, Any]:
        """For statements that name all three."""
        return {"since": self.since, "until": self.until, "store_id": self.store_id}


@dataclass(frozen=True, slots=True)
class AccountSums:
    """What moved on an account on a day, in one currency."""

    tenant_id: str
    account: str
    books_date: date
    currency: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class DaySums:
    """What a day of a store comes to, in one currency. Returns and discounts are negative; net is without included tax.

    `included_in_gross`, `included_in_returns`: tax that is in those, and `other_tax`: tax of adjustments; the ledger
    has the amounts without the former and the tax with the latter.
    """

    tenant_id: str
    store_id: str
    books_date: date
    currency: str
    gross: Decimal
    returns: Decimal
    discounts: Decimal
    tax: Decimal
    net: Decimal
    included_in_gross: Decimal = Decimal(0)
    included_in_returns: Decimal = Decimal(0)
    other_tax: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Leaves:
    """Rows as seals see them, in parallel. `leaf_hashes`: 32 bytes each, of zeros where there is no such row.

    `states`, a letter each: "." as it should be, "m" missing, "b" the body is not the one that arrived, "l" older than
    it may be, "r" redacted. `header_hashes`: None where no row has headers.
    """

    leaf_hashes: bytes
    states: str
    header_hashes: list[str | None] | None
