"""The statements of schema ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal
from uuid import UUID

import msgspec
import orjson

from ledgersafe.db import arrays, copying
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import AccountSums, Bounds, DaySums, Findings, TenantCount
from ledgersafe.db.sql import Statements
from ledgersafe.ledger.rules import MEASURES, Account, Known, Share

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


ExportStatus = Literal["making", "made", "voided"]


@dataclass(frozen=True, slots=True)
class ExportRun:
    """A row of ledger.export_runs. `as_of`: books date, this day or before. `at_date`, `at_entry`: how far it is."""

    number: int
    status: ExportStatus
    as_of: date | None
    entries: int
    pages: int
    started_at: datetime
    started_by: str
    notes: str | None
    made_at: datetime | None
    voided_at: datetime | None
    voided_by: str | None
    void_reason: str | None
    at_date: date | None
    at_entry: UUID | None

    def position(self) -> "Position | None":
        """The last entry that it has looked at; None where it has yet to begin."""
        return None if self.at_date is None or self.at_entry is None else Position(self.at_date, self.at_entry)


@dataclass(frozen=True, slots=True)
class ExportName:
    """Which run of whom."""

    tenant_id: str
    number: int


@dataclass(frozen=True, slots=True)
class ExportAccount:
    """An account as the files of a run name it."""

    account: str
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class AccountRole:
    """Which role an account plays, or played."""

    tenant_id: str
    account: str
    role: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of books dates and entries."""

    at_date: date
    at_entry: UUID


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A posting, as it is written to ledger.entries. `amounts` go in parallel to `accounts`, debit positive."""

    entry_id: str
    transaction_id: str
    revision: int
    store_id: str
    business_date: date
    books_date: date
    currency: str
    accounts: tuple[str, ...]
    amounts: Sequence[Decimal]
    raw_id: str


class Reversal(msgspec.Struct, frozen=True):
    """The taking back of an entry: of which posting, for which day, caused by which arrival."""

    entry_id: str
    transaction_id: str
    revision: int
    books_date: date
    raw_id: str


def accounts(tx: Tx, tenant_id: str) -> Rows[Account]:
    """A tenant's chart: the accounts in use."""
    return tx.query(Account, SQL["accounts"], {"tenant_id": tenant_id})


def known_accounts(tx: Tx, tenant_id: str) -> Rows[Known]:
    """Every account of a tenant, the retired ones too."""
    return tx.query(Known, SQL["known_accounts"], {"tenant_id": tenant_id})


def ensure_accounts(tx: Tx, tenant_id: str, chart: Sequence[Account]) -> None:
    """Give a tenant these accounts, where it has none of that number or role."""
    tx.execute(SQL["ensure_accounts"], _columns(tenant_id, chart))


def share_chart(tx: Tx, tenant_id: str) -> None:
    """Hold a tenant's chart against being replaced, until the transaction ends; many may hold it so at once."""
    tx.execute(SQL["share_chart"], {"tenant_id": tenant_id})


def hold_chart(tx: Tx, tenant_id: str) -> None:
    """Have a tenant's chart to oneself until the transaction ends, once nobody posts by it."""
    tx.execute(SQL["hold_chart"], {"tenant_id": tenant_id})


def posted_accounts(tx: Tx, tenant_id: str, accounts: Sequence[str]) -> Rows[str]:
    """Those of these accounts that any entry was posted to."""
    return tx.scalars(str, SQL["posted_accounts"], {"tenant_id": tenant_id, "accounts": list(accounts)})


def retire_accounts(tx: Tx, tenant_id: str, accounts: Sequence[str], now: datetime) -> None:
    """Take accounts out of use. They stay on record."""
    tx.execute(SQL["retire_accounts"], {"tenant_id": tenant_id, "accounts": list(accounts), "now": now})


def put_accounts(tx: Tx, tenant_id: str, chart: Sequence[Account]) -> None:
    """Make these the accounts in use; those that lose their role must have been retired."""
    tx.execute(SQL["put_accounts"], _columns(tenant_id, chart))


def _columns(tenant_id: str, chart: Sequence[Account]) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "accounts": [account.account for account in chart],
        "roles": [account.role for account in chart],
        "names": [account.name for account in chart],
        "types": [account.type for account in chart],
    }


def ensure_periods(tx: Tx, tenant_id: str, periods: Sequence[date], now: datetime) -> None:
    """Make the rows of these months (by their first days), open."""
    tx.execute(SQL["ensure_periods"], {"tenant_id": tenant_id, "periods": list(periods), "now": now})


def share_periods(tx: Tx, tenant_id: str, periods: Sequence[date]) -> Rows[Period]:
    """Hold these months against being closed, until the transaction ends; those that have a row."""
    return tx.query(Period, SQL["share_periods"], {"tenant_id": tenant_id, "periods": list(periods)})


def insert_entries(tx: Tx, tenant_id: str, rows: Sequence[Entry], posted_at: datetime) -> None:
    """Post entries."""
    word, tenant = copying.word, copying.text(tenant_id)
    copied = [
        f"{tenant}\t{row.entry_id}\t{row.transaction_id}\t{row.revision}\tposting\t{word(row.store_id)}"
        f"\t{row.business_date}\t{row.books_date}\t{posted_at}\t{word(row.currency)}\t{_accounts(row.accounts)}"
        f"\t{arrays.plain(row.amounts)}\t{row.raw_id}\n"
        for row in rows
    ]
    tx.copy(SQL["insert_entries"], copied)


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


def count_entries(tx: Tx, bounds: Bounds) -> Rows[TenantCount]:
    """How many entries there are."""
    return tx.query(TenantCount, SQL["count_entries"], bounds.parameters())


def unbalanced(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Entries that do not balance, or are to accounts that do not exist."""
    return tx.query(Findings, SQL["unbalanced"], bounds.parameters())


def orphans(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Entries of no transaction."""
    return tx.query(Findings, SQL["orphans"], bounds.parameters())


def untrue_to_transactions(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Entries of another day, store or currency than their transaction's, or that take back another entry."""
    return tx.query(Findings, SQL["untrue_to_transactions"], bounds.parameters())


def untrue_to_receipts(tx: Tx, bounds: Bounds, shares: Sequence[Share]) -> Rows[Findings]:
    """Postings and reversals whose entry is not what posting makes of their receipt. `shares`: the rules of posting."""
    parameters = bounds.parameters() | {
        "types": [one.type for one in shares],
        "payments": [one.payment for one in shares],
        "roles": [one.role for one in shares],
        **{measure: [getattr(one, measure) for one in shares] for measure in MEASURES},
    }
    return tx.query(Findings, SQL["untrue_to_receipts"], parameters)


def roles(tx: Tx, tenant_ids: Sequence[str]) -> Rows[AccountRole]:
    """The role of every account, the retired ones too."""
    return tx.query(AccountRole, SQL["roles"], {"tenant_ids": list(tenant_ids)})


def untrue_claims(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Entries of export runs without their claim, claims without their entry, runs of other pages than they had."""
    return tx.query(Findings, SQL["untrue_claims"], {"tenant_ids": list(tenant_ids)})


def untrue_runs(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Export runs that say something else than the audit rows of their making and voiding, or that only these know."""
    return tx.query(Findings, SQL["untrue_runs"], {"tenant_ids": list(tenant_ids)})


def account_sums(tx: Tx, bounds: Bounds) -> Rows[AccountSums]:
    """What moved on every account on every day."""
    return tx.query(AccountSums, SQL["account_sums"], bounds.parameters())


def tenants(tx: Tx, after: str, most: int) -> Rows[str]:
    """Tenants with any entry, in order, from the one after this on."""
    return tx.scalars(str, SQL["tenants"], {"after": after, "most": most})


def day_sums(tx: Tx, bounds: Bounds) -> Rows[DaySums]:
    """What the accounts say of every day of every store: without included tax, and with all tax."""
    return tx.query(DaySums, SQL["day_sums"], bounds.parameters())


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


def entries_of(tx: Tx, tenant_id: str, postings: Iterable[tuple[UUID, int, str]]) -> Rows[StoredEntry]:
    """The entries of these (transaction_id, revision, kind), in any order."""
    wanted = list(postings)
    parameters = {
        "tenant_id": tenant_id,
        "transaction_ids": arrays.plain(one[0] for one in wanted),
        "revisions": arrays.plain(one[1] for one in wanted),
        "kinds": arrays.plain(one[2] for one in wanted),
    }
    return tx.query(StoredEntry, SQL["entries_of"], parameters)


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


@lru_cache(maxsize=1_000)
def _accounts(numbers: tuple[str, ...]) -> str:
    """An array of account numbers, as COPY reads it; a few ones stand in nearly every entry."""
    return copying.text(arrays.quoted(numbers))


def begin_export(tx: Tx, tenant_id: str, as_of: date | None, actor: str, notes: str | None, now: datetime) -> Rows[int]:
    """Make a run, of no entries yet; its number. No row where one is under way, or another took the number."""
    parameters = {"tenant_id": tenant_id, "as_of": as_of, "actor": actor, "notes": notes, "now": now}
    return tx.scalars(int, SQL["begin_export"], parameters)


def export_runs(tx: Tx, tenant_id: str, before: int | None, most: int) -> Rows[ExportRun]:
    """One page of runs, latest first."""
    return tx.query(ExportRun, SQL["export_runs"], {"tenant_id": tenant_id, "before": before, "most": most})


def export_run(tx: Tx, tenant_id: str, number: int) -> Rows[ExportRun]:
    """One run."""
    return tx.query(ExportRun, SQL["export_run"], {"tenant_id": tenant_id, "number": number})


def exports_under_way(tx: Tx, tenant_id: str | None = None) -> Rows[ExportName]:
    """The runs that are not complete, of one tenant or of all."""
    return tx.query(ExportName, SQL["exports_under_way"], {"tenant_id": tenant_id})


def lock_export(tx: Tx, tenant_id: str, number: int) -> Rows[ExportRun]:
    """Hold a run until the transaction ends."""
    return tx.query(ExportRun, SQL["lock_export"], {"tenant_id": tenant_id, "number": number})


def voided_exports(tx: Tx, tenant_id: str) -> Rows[int]:
    """The runs that do not count."""
    return tx.scalars(int, SQL["voided_exports"], {"tenant_id": tenant_id})


def export_bound(tx: Tx, tenant_id: str, run: ExportRun, most: int) -> Rows[Position]:
    """The last of the next `most` entries that a run looks at; no row where there are fewer."""
    parameters = _place(tenant_id, run) | {"skipped": most - 1}
    return tx.query(Position, SQL["export_bound"], parameters)


def claim_entries(tx: Tx, tenant_id: str, run: ExportRun, last: Position | None, voided: Sequence[int]) -> Rows[UUID]:
    """Put into a run what no run that stands has, up to this place (None: to the end)."""
    until = {"last_date": None if last is None else last.at_date, "last_id": None if last is None else last.at_entry}
    parameters = _place(tenant_id, run) | until | {"number": run.number, "voided": arrays.plain(voided)}
    return tx.scalars(UUID, SQL["claim_entries"], parameters)


def insert_export_page(tx: Tx, tenant_id: str, number: int, page: int, entry_ids: Sequence[UUID]) -> None:
    """Put what was claimed on record."""
    parameters = {"tenant_id": tenant_id, "number": number, "page": page, "entry_ids": arrays.plain(entry_ids)}
    tx.execute(SQL["insert_export_page"], parameters)


def advance_export(tx: Tx, tenant_id: str, run: ExportRun, accounts: Sequence[ExportAccount] | None) -> None:
    """Note how far a run is. `accounts`: with the last step of it, the chart that its files name accounts by."""
    facts = None if accounts is None else orjson.dumps(accounts).decode()
    parameters = {
        "tenant_id": tenant_id,
        "number": run.number,
        "entries": run.entries,
        "pages": run.pages,
        "at_date": run.at_date,
        "at_entry": run.at_entry,
        "status": run.status,
        "made_at": run.made_at,
        "accounts": facts,
    }
    tx.execute(SQL["advance_export"], parameters)


def void_export(tx: Tx, tenant_id: str, number: int, reason: str, actor: str, now: datetime) -> None:
    """Have a run not count."""
    parameters = {"tenant_id": tenant_id, "number": number, "reason": reason, "actor": actor, "now": now}
    tx.execute(SQL["void_export"], parameters)


def chart_to_export(tx: Tx, tenant_id: str) -> Rows[ExportAccount]:
    """Every account that an entry may name, as it is now."""
    return tx.query(ExportAccount, SQL["chart_to_export"], {"tenant_id": tenant_id})


def export_accounts(tx: Tx, tenant_id: str, number: int) -> Rows[ExportAccount]:
    """The chart as it was when a run was complete."""
    return tx.query(ExportAccount, SQL["export_accounts"], {"tenant_id": tenant_id, "number": number})


def export_page(tx: Tx, tenant_id: str, number: int, page: int) -> Rows[StoredEntry]:
    """The entries of a page, by the day that they count for."""
    return tx.query(StoredEntry, SQL["export_page"], {"tenant_id": tenant_id, "number": number, "page": page})


def _place(tenant_id: str, run: ExportRun) -> dict[str, object]:
    return {"tenant_id": tenant_id, "as_of": run.as_of, "after_date": run.at_date, "after_id": run.at_entry}
