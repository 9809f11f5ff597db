"""The statements of schema silver."""

from collections.abc import Iterable, Sequence
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

SQL = Statements(__package__ or "")

State = Literal["awaited", "live", "voided"]
Name = tuple[str, str]
"""(store_id, txn_id): how tills name a transaction."""
Revision = tuple[UUID, int]
"""(transaction_id, revision): one posting."""


class Head(msgspec.Struct):
    """A row of silver.heads, held; changed in memory. What was returned stands in parallel, by line."""

    store_id: str
    txn_id: str
    state: State
    transaction_id: UUID | None = None
    revision: int | None = None
    returned_lines: list[int] = []
    returned_quantities: list[Decimal] = []
    returned_amounts: list[Decimal] = []

    def name(self) -> Name:
        """How tills name it."""
        return self.store_id, self.txn_id


@dataclass(frozen=True, slots=True)
class Posted:
    """What a row of silver.transactions is, as far as later events must know."""

    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    store_id: str
    txn_id: str
    type: str
    event_type: str
    event_id: str
    business_date: date
    books_date: date
    currency: str
    total: Decimal
    is_referenced: bool


@dataclass(frozen=True, slots=True)
class PostedLine:
    """A line of a posting, as far as returns must know."""

    transaction_id: UUID
    revision: int
    line_no: int
    sku: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PostedReference:
    """What a line of a return gave back."""

    transaction_id: UUID
    revision: int
    line_no: int
    original_transaction_id: UUID
    original_line_no: int
    quantity: Decimal
    amount: Decimal
    original_store_id: str
    original_txn_id: str


class Transaction(msgspec.Struct, frozen=True):
    """A posting, as it is written to silver.transactions."""

    transaction_id: UUID
    revision: int
    store_id: str
    txn_id: str
    type: str
    event_type: str
    event_id: str
    raw_id: UUID
    register_id: str | None
    cashier_id: str | None
    customer_id: str | None
    business_date: date
    books_date: date
    occurred_at: datetime
    currency: str
    lines: int
    units: Decimal
    gross: Decimal
    discount: Decimal
    tax: Decimal
    included_tax: Decimal
    rounding: Decimal
    totals_difference: Decimal
    total: Decimal
    payment: str | None
    country: str | None
    is_referenced: bool
    simulated: bool


class LineItem(msgspec.Struct, frozen=True):
    """A line, as it is written to silver.line_items."""

    transaction_id: UUID
    revision: int
    line_no: int
    sku: str
    name: str | None
    brand: str | None
    category: str | None
    gtin: str | None
    quantity: Decimal
    unit_price: Decimal | None
    discount: Decimal | None
    tax: Decimal | None
    amount: Decimal
    product_key: str


class Tender(msgspec.Struct, frozen=True):
    """A means of payment, as it is written to silver.tenders."""

    transaction_id: UUID
    revision: int
    tender_no: int
    type: str
    amount: Decimal


class Reference(msgspec.Struct, frozen=True):
    """What a line of a return gives back, as it is written to silver.references."""

    transaction_id: UUID
    revision: int
    line_no: int
    original_transaction_id: UUID
    original_line_no: int
    quantity: Decimal
    amount: Decimal


class Reversal(msgspec.Struct, frozen=True):
    """The taking back of a posting: of which, by which event, for which day."""

    transaction_id: UUID
    revision: int
    event_type: str
    event_id: str
    raw_id: UUID
    books_date: date
    occurred_at: datetime


def lock_heads(tx: Tx, tenant_id: str, heads: Sequence[Head]) -> Rows[Head]:
    """Hold these heads (sorted by name) until the transaction ends; those that were not there are made as given."""
    return tx.query(Head, SQL["lock_heads"], {"tenant_id": tenant_id} | _stand(heads))


def update_heads(tx: Tx, tenant_id: str, heads: Sequence[Head]) -> None:
    """Write what held heads have become."""
    parameters = {
        "tenant_id": tenant_id,
        "lines": arrays.texts([arrays.plain(head.returned_lines) for head in heads]),
        "quantities": arrays.texts([arrays.plain(head.returned_quantities) for head in heads]),
        "amounts": arrays.texts([arrays.plain(head.returned_amounts) for head in heads]),
    }
    tx.execute(SQL["update_heads"], parameters | _stand(heads))


def postings(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> Rows[Posted]:
    """These postings."""
    return tx.query(Posted, SQL["postings"], _revisions(tenant_id, revisions))


def postings_of_events(tx: Tx, tenant_id: str, event_ids: Sequence[str]) -> Rows[Posted]:
    """Everything that these events caused."""
    return tx.query(Posted, SQL["postings_of_events"], {"tenant_id": tenant_id, "event_ids": list(event_ids)})


def lines(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> Rows[PostedLine]:
    """The lines of these postings."""
    return tx.query(PostedLine, SQL["lines"], _revisions(tenant_id, revisions))


def references(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> Rows[PostedReference]:
    """What these returns gave back."""
    return tx.query(PostedReference, SQL["references"], _revisions(tenant_id, revisions))


def insert_transactions(tx: Tx, tenant_id: str, rows: Sequence[Transaction], posted_at: datetime) -> None:
    """Write postings."""
    parameters = {
        "tenant_id": tenant_id,
        "posted_at": posted_at,
        "transaction_ids": arrays.plain(row.transaction_id for row in rows),
        "revisions": arrays.plain(row.revision for row in rows),
        "store_ids": arrays.texts([row.store_id for row in rows]),
        "txn_ids": arrays.texts([row.txn_id for row in rows]),
        "types": arrays.texts([row.type for row in rows]),
        "event_types": arrays.texts([row.event_type for row in rows]),
        "event_ids": arrays.texts([row.event_id for row in rows]),
        "raw_ids": arrays.plain(row.raw_id for row in rows),
        "register_ids": arrays.texts([row.register_id for row in rows]),
        "cashier_ids": arrays.texts([row.cashier_id for row in rows]),
        "customer_ids": arrays.texts([row.customer_id for row in rows]),
        "business_dates": arrays.plain(row.business_date for row in rows),
        "books_dates": arrays.plain(row.books_date for row in rows),
        "occurred_at": arrays.instants(row.occurred_at for row in rows),
        "currencies": arrays.texts([row.currency for row in rows]),
        "lines": arrays.plain(row.lines for row in rows),
        "units": arrays.plain(row.units for row in rows),
        "gross": arrays.plain(row.gross for row in rows),
        "discounts": arrays.plain(row.discount for row in rows),
        "taxes": arrays.plain(row.tax for row in rows),
        "included_taxes": arrays.plain(row.included_tax for row in rows),
        "roundings": arrays.plain(row.rounding for row in rows),
        "totals_differences": arrays.plain(row.totals_difference for row in rows),
        "totals": arrays.plain(row.total for row in rows),
        "payments": arrays.texts([row.payment for row in rows]),
        "countries": arrays.texts([row.country for row in rows]),
        "are_referenced": arrays.plain(row.is_referenced for row in rows),
        "simulated": arrays.plain(row.simulated for row in rows),
    }
    tx.execute(SQL["insert_transactions"], parameters)


def insert_lines(tx: Tx, tenant_id: str, rows: Sequence[LineItem]) -> None:
    """Write the lines of postings just inserted."""
    parameters = {
        "tenant_id": tenant_id,
        "transaction_ids": arrays.plain(row.transaction_id for row in rows),
        "revisions": arrays.plain(row.revision for row in rows),
        "line_nos": arrays.plain(row.line_no for row in rows),
        "skus": arrays.texts([row.sku for row in rows]),
        "names": arrays.texts([row.name for row in rows]),
        "brands": arrays.texts([row.brand for row in rows]),
        "categories": arrays.texts([row.category for row in rows]),
        "gtins": arrays.texts([row.gtin for row in rows]),
        "quantities": arrays.plain(row.quantity for row in rows),
        "unit_prices": arrays.plain(row.unit_price for row in rows),
        "discounts": arrays.plain(row.discount for row in rows),
        "taxes": arrays.plain(row.tax for row in rows),
        "amounts": arrays.plain(row.amount for row in rows),
        "product_keys": arrays.ids(row.product_key for row in rows),
    }
    tx.execute(SQL["insert_lines"], parameters)


def insert_tenders(tx: Tx, tenant_id: str, rows: Sequence[Tender]) -> None:
    """Write how postings just inserted were paid."""
    parameters = {
        "tenant_id": tenant_id,
        "transaction_ids": arrays.plain(row.transaction_id for row in rows),
        "revisions": arrays.plain(row.revision for row in rows),
        "tender_nos": arrays.plain(row.tender_no for row in rows),
        "types": arrays.texts([row.type for row in rows]),
        "amounts": arrays.plain(row.amount for row in rows),
    }
    tx.execute(SQL["insert_tenders"], parameters)


def insert_references(tx: Tx, tenant_id: str, rows: Sequence[Reference]) -> None:
    """Write what returns just inserted give back."""
    parameters = {
        "tenant_id": tenant_id,
        "transaction_ids": arrays.plain(row.transaction_id for row in rows),
        "revisions": arrays.plain(row.revision for row in rows),
        "line_nos": arrays.plain(row.line_no for row in rows),
        "original_transaction_ids": arrays.plain(row.original_transaction_id for row in rows),
        "original_line_nos": arrays.plain(row.original_line_no for row in rows),
        "quantities": arrays.plain(row.quantity for row in rows),
        "amounts": arrays.plain(row.amount for row in rows),
    }
    tx.execute(SQL["insert_references"], parameters)


def reverse_transactions(tx: Tx, tenant_id: str, rows: Sequence[Reversal], posted_at: datetime) -> None:
    """Take postings back; what belongs to them is taken back beside."""
    parameters = _revisions(tenant_id, [(row.transaction_id, row.revision) for row in rows]) | {
        "posted_at": posted_at,
        "event_types": arrays.texts([row.event_type for row in rows]),
        "event_ids": arrays.texts([row.event_id for row in rows]),
        "raw_ids": arrays.plain(row.raw_id for row in rows),
        "books_dates": arrays.plain(row.books_date for row in rows),
        "occurred_at": arrays.instants(row.occurred_at for row in rows),
    }
    tx.execute(SQL["reverse_transactions"], parameters)


def reverse_lines(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> None:
    """Take the lines of postings back."""
    tx.execute(SQL["reverse_lines"], _revisions(tenant_id, revisions))


def reverse_tenders(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> None:
    """Take the tenders of postings back."""
    tx.execute(SQL["reverse_tenders"], _revisions(tenant_id, revisions))


def reverse_references(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> None:
    """Take back what postings gave back of others."""
    tx.execute(SQL["reverse_references"], _revisions(tenant_id, revisions))


def insert_batch(
    tx: Tx, tenant_id: str, batch_id: str, made: Sequence[Revision], undone: Sequence[Revision], posted_at: datetime
) -> None:
    """Note which postings and reversals this transaction commits."""
    both = [*made, *undone]
    parameters = _revisions(tenant_id, both) | {
        "batch_id": batch_id,
        "posted_at": posted_at,
        "kinds": arrays.texts(["posting"] * len(made) + ["reversal"] * len(undone)),
    }
    tx.execute(SQL["insert_batch"], parameters)


def insert_waiting(tx: Tx, tenant_id: str, waiting: Sequence[tuple[Name, str]]) -> None:
    """Note which exceptions wait for which transactions."""
    parameters = _names(tenant_id, [name for name, _ in waiting])
    tx.execute(SQL["insert_waiting"], parameters | {"exception_ids": arrays.ids(one for _, one in waiting)})


def take_waiting(tx: Tx, tenant_id: str, names: Sequence[Name]) -> Rows[UUID]:
    """The exceptions that waited for these transactions; they wait no more."""
    return tx.scalars(UUID, SQL["take_waiting"], _names(tenant_id, names))


def overdue_waiting(tx: Tx, tenant_id: str, most: int) -> Rows[UUID]:
    """Exceptions that wait for what is there."""
    return tx.scalars(UUID, SQL["overdue_waiting"], {"tenant_id": tenant_id, "most": most})


def tenants_waiting(tx: Tx) -> Rows[str]:
    """The tenants with exceptions that wait for an original."""
    return tx.scalars(str, SQL["tenants_waiting"], {})


def delete_waiting(tx: Tx, tenant_id: str, exception_ids: Sequence[UUID]) -> None:
    """These exceptions wait for nothing any more."""
    tx.execute(SQL["delete_waiting"], {"tenant_id": tenant_id, "exception_ids": list(exception_ids)})


def count_events(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many events of each tenant (or one) caused something."""
    return tx.query(TenantCount, SQL["count_events"], {"tenant_id": tenant_id})


def count_transactions(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many postings and reversals each tenant (or one) has."""
    return tx.query(TenantCount, SQL["count_transactions"], {"tenant_id": tenant_id})


def count_true_to_lines(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many of them say what their lines say, and add up."""
    return tx.query(TenantCount, SQL["count_true_to_lines"], {"tenant_id": tenant_id})


def count_reversals(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many reversals each tenant (or one) has."""
    return tx.query(TenantCount, SQL["count_reversals"], {"tenant_id": tenant_id})


def count_true_reversals(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many of them take back exactly what was posted."""
    return tx.query(TenantCount, SQL["count_true_reversals"], {"tenant_id": tenant_id})


def count_live_postings(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many postings of each tenant (or one) stand."""
    return tx.query(TenantCount, SQL["count_live_postings"], {"tenant_id": tenant_id})


def count_live_heads(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many heads of each tenant (or one) name a posting that stands."""
    return tx.query(TenantCount, SQL["count_live_heads"], {"tenant_id": tenant_id})


def count_lost_references(tx: Tx, tenant_id: str | None) -> Rows[TenantCount]:
    """How many references of each tenant (or one) lead nowhere."""
    return tx.query(TenantCount, SQL["count_lost_references"], {"tenant_id": tenant_id})


def day_sums(tx: Tx, tenant_id: str | None) -> Rows[DaySums]:
    """What silver says of every day of every store."""
    return tx.query(DaySums, SQL["day_sums"], {"tenant_id": tenant_id})


def _stand(heads: Sequence[Head]) -> dict[str, object]:
    """The parameters that say where transactions stand."""
    return {
        "store_ids": arrays.texts([head.store_id for head in heads]),
        "txn_ids": arrays.texts([head.txn_id for head in heads]),
        "states": arrays.texts([head.state for head in heads]),
        "transaction_ids": arrays.plain(head.transaction_id for head in heads),
        "revisions": arrays.plain(head.revision for head in heads),
    }


def _names(tenant_id: str, names: Sequence[Name]) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "store_ids": arrays.texts([store for store, _ in names]),
        "txn_ids": arrays.texts([txn for _, txn in names]),
    }


def _revisions(tenant_id: str, revisions: Iterable[Revision]) -> dict[str, object]:
    listed = list(revisions)
    return {
        "tenant_id": tenant_id,
        "transaction_ids": arrays.plain(transaction_id for transaction_id, _ in listed),
        "revisions": arrays.plain(revision for _, revision in listed),
    }
