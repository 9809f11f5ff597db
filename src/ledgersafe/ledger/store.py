"""The statements of schema ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import DaySums, TenantCount
from ledgersafe.db.sql import Statements
from ledgersafe.ledger.rules import Account

SQL = Statements(__package__ or "")


@dataclass(frozen=True, slots=True)
class Period:
    """A month of a tenant's books, by its first day."""

    period: date
    status: Literal["open", "closed"]
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A row of ledger.entries. `amounts` go in parallel to `accounts`, debit positive."""

    entry_id: UUID
    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    store_id: str
    business_date: date
    books_date: date
    posted_at: datetime
    currency: str
    accounts: list[str]
    amounts: list[Decimal]
    reverses: UUID | None
    raw_id: UUID


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; what is None does not narrow. `until` is exclusive, `after` is where the page before ended."""

    tenant_id: str
    store_id: str | None = None
    account: str | None = None
    transaction_id: UUID | None = None
    since: date | None = None
    until: date | None = None
    after: tuple[date, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account stands at, in one currency: `balance` is debit − credit. `store_id` is '' for all stores."""

    account: str
    name: str | None
    type: str | None
    currency: str
    store_id: str
    debit: Decimal
    credit: Decimal
    balance: Decimal


class Entry(msgspec.Struct, frozen=True):
    """A posting, as it is written to ledger.entries. `amounts` go in parallel to `accounts`, debit positive."""

    entry_id: str
    transaction_id: UUID
    revision: int
    store_id: str
    business_date: date
    books_date: date
    currency: str
    accounts: Sequence[str]
    amounts: Sequence[Decimal]
    raw_id: UUID


class Reversal(msgspec.Struct, frozen=True):
    """The taking back of an entry: of which posting, for which day, caused by which arrival."""

    entry_id: str
    transaction_id: UUID
    revision: int
    books_date: date
    raw_id: UUID


def accounts(tx: Tx, tenant_id: str) -> Rows[Account]:
    """A tenant's chart."""
    return tx.query(Account, SQL["accounts"], {"tenant_id": tenant_id})


def ensure_accounts(tx: Tx, tenant_id: str, chart: Sequence[Account]) -> None:
    """Give a tenant these accounts, where it has none of that number or role."""
    parameters = {
        "tenant_id": tenant_id,
        "accounts": [account.account for account in chart],
        "roles": [account.role for account in chart],
        "names": [account.name for account in chart],
        "types": [account.type for account in chart],
    }
    tx.execute(SQL["ensure_accounts"], parameters)


def ensure_periods(tx: Tx, tenant_id: str, periods: Sequence[date], now: datetime) -> None:
    """Make the rows of these months (by their first days), open."""
    tx.execute(SQL["ensure_periods"], {"tenant_id": tenant_id, "periods": list(periods), "now": now})


def share_periods(tx: Tx, tenant_id: str, periods: Sequence[date]) -> Rows[Period]:
    """Hold these months against being closed, until the transaction ends; those that have a row."""
    return tx.query(Period, SQL["share_periods"], {"tenant_id": tenant_id, "periods": list(periods)})


def insert_entries(tx: Tx, tenant_id: str, rows: Sequence[Entry], posted_at: datetime) -> None:
    """Post entries."""
    parameters = {
        "tenant_id": tenant_id,
        "posted_at": posted_at,
        "entry_ids": arrays.ids(row.entry_id for row in rows),
        "transaction_ids": arrays.plain(row.transaction_id for row in rows),
        "revisions": arrays.plain(row.revision for row in rows),
        "store_ids": arrays.texts([row.store_id for row in rows]),
        "business_dates": arrays.plain(row.business_date for row in rows),
        "books_dates": arrays.plain(row.books_date for row in rows),
        "currencies": arrays.texts([row.currency for row in rows]),
        "accounts": arrays.texts([arrays.quoted(row.accounts) for row in rows]),
        "amounts": arrays.texts([arrays.plain(row.amounts) for row in rows]),
        "raw_ids": arrays.plain(row.raw_id for row in rows),
    }
    tx.execute(SQL["insert_entries"], parameters)


def reverse_entries(tx: Tx, tenant_id: str, rows: Sequence[Reversal], posted_at: datetime) -> None:
    """Take the entries of postings back."""
    parameters = {
        "tenant_id": tenant_id,
        "posted_at": posted_at,
        "entry_ids": arrays.ids(row.entry_id for row in rows),
        "transaction_ids": arrays.plain(row.transaction_id for row in rows),
        "revisions": arrays.plain(row.revision for row in rows),
        "books_dates": arrays.plain(row.books_date for row in rows),
        "raw_ids": arrays.plain(row.raw_id for row in rows),
    }
    tx.execute(SQL["reverse_entries"], parameters)


def count_entries(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many entries each tenant (or one) has."""
    return tx.query(TenantCount, SQL["count_entries"], {"tenant_id": tenant_id})


def count_balanced(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many of them balance, to accounts that exist."""
    return tx.query(TenantCount, SQL["count_balanced"], {"tenant_id": tenant_id})


def day_sums(tx: Tx, tenant_id: str | None) -> Rows[DaySums]:
    """What the ledger says of every day of every store."""
    return tx.query(DaySums, SQL["day_sums"], {"tenant_id": tenant_id})


def entries(tx: Tx, chosen: Filter, most: int) -> Rows[StoredEntry]:
    """One page of entries, by the day that they count for."""
    after_date, after_id = chosen.after or (None, None)
    parameters = {
        "tenant_id": chosen.tenant_id,
        "store_id": chosen.store_id,
        "account": chosen.account,
        "transaction_id": chosen.transaction_id,
        "since": chosen.since,
        "until": chosen.until,
        "after_date": after_date,
        "after_id": after_id,
        "most": most,
    }
    return tx.query(StoredEntry, SQL["entries"], parameters)


def trial_balance(tx: Tx, tenant_id: str, as_of: date | None, *, by_store: bool) -> Rows[Balance]:
    """What every account stands at when a day has ended; None: with all that is posted."""
    return tx.query(Balance, SQL["trial_balance"], {"tenant_id": tenant_id, "as_of": as_of, "by_store": by_store})


def periods(tx: Tx, tenant_id: str) -> Rows[Period]:
    """The months of a tenant that have a row; all others are open."""
    return tx.query(Period, SQL["periods"], {"tenant_id": tenant_id})


def lock_period(tx: Tx, tenant_id: str, period: date) -> Rows[Period]:
    """Hold a month (by its first day) until the transaction ends, once nobody posts into it."""
    return tx.query(Period, SQL["lock_period"], {"tenant_id": tenant_id, "period": period})


def set_period(
    tx: Tx, tenant_id: str, period: date, status: Literal["open", "closed"], actor: str, now: datetime
) -> None:
    """Close a month, or open it again."""
    parameters = {"tenant_id": tenant_id, "period": period, "status": status, "actor": actor, "now": now}
    tx.execute(SQL["set_period"], parameters)
