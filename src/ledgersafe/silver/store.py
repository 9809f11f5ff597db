"""The statements of schema silver."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

import msgspec

from ledgersafe.db import arrays, copying
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.rows import Bounds, Days, DaySums, Findings, TenantCount
from ledgersafe.db.sql import Statements
from ledgersafe.silver.rules import (
    Head,
    Known,
    LineInWords,
    LineItem,
    Name,
    Posted,
    PostedEvents,
    PostedLine,
    PostedReference,
    Posting,
    PostingEvent,
    ReceiptSums,
    Reference,
    Reversal,
    Revision,
    Tender,
    TenderSums,
    Transaction,
)

SQL = Statements(__package__ or "")


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A posting that stands, as far as the body that it was made of says the same."""

    transaction_id: str
    revision: int
    raw_id: str
    event_id: str
    event_type: str
    store_id: str
    txn_id: str
    type: str
    occurred_at: datetime
    currency: str
    lines: int
    units: Decimal
    gross: Decimal
    discount: Decimal
    tax: Decimal
    included_tax: Decimal
    total: Decimal


def lock_heads(tx: Tx, tenant_id: str, heads: Sequence[Head]) -> Rows[str | None]:
    """Hold these heads (sorted by name) until the transaction ends; those that were not there are made as given.

    Returns the transactions that they name, in any order. Given are awaited ones, and live ones of a first revision.
    """
    parameters = _names(tenant_id, [head.name() for head in heads])
    parameters["transaction_ids"] = arrays.plain(head.transaction_id for head in heads)
    return tx.scalars(cast("type[str | None]", str), SQL["lock_heads"], parameters)


def heads(tx: Tx, tenant_id: str, names: Sequence[Name]) -> Rows[Head]:
    """These heads."""
    return tx.query(Head, SQL["heads"], _names(tenant_id, names))


def update_heads(tx: Tx, tenant_id: str, heads: Sequence[Head]) -> None:
    """Write what held heads have become."""
    parameters = {
        "tenant_id": tenant_id,
        "lines": arrays.texts([arrays.plain(head.returned_lines) for head in heads]),
        "quantities": arrays.texts([arrays.plain(head.returned_quantities) for head in heads]),
        "amounts": arrays.texts([arrays.plain(head.returned_amounts) for head in heads]),
        "totals": arrays.plain(head.returned_total for head in heads),
        "roundings": arrays.plain(head.returned_rounding for head in heads),
        "parts": arrays.plain(head.returned_parts for head in heads),
    }
    tx.execute(SQL["update_heads"], parameters | _stand(heads))


def postings(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> Rows[Posted]:
    """These postings."""
    return tx.query(Posted, SQL["postings"], _revisions(tenant_id, revisions))


def known(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> Rows[Known]:
    """What must be known of these postings."""
    return tx.query(Known, SQL["known"], _revisions(tenant_id, revisions))


def postings_of_events(tx: Tx, tenant_id: str, event_ids: Sequence[str]) -> Rows[Posted]:
    """Everything that these events caused."""
    return tx.query(Posted, SQL["postings_of_events"], {"tenant_id": tenant_id, "event_ids": list(event_ids)})


def postings_of_receipt(tx: Tx, tenant_id: str, store_ids: Sequence[str], txn_id: str, most: int) -> Rows[Posted]:
    """What was posted and reversed under a receipt's number in any of these stores."""
    wanted = {"tenant_id": tenant_id, "store_ids": list(store_ids), "txn_id": txn_id, "most": most}
    return tx.query(Posted, SQL["postings_of_receipt"], wanted)


def lines(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> Rows[PostedLine]:
    """The lines of these postings."""
    return tx.query(PostedLine, SQL["lines"], _revisions(tenant_id, revisions))


def lines_in_words(tx: Tx, tenant_id: str, postings: Iterable[Posting], most: int) -> Rows[LineInWords]:
    """The lines of these postings and reversals, at most so many."""
    return tx.query(LineInWords, SQL["lines_in_words"], _postings(tenant_id, postings) | {"most": most})


def events_of_postings(tx: Tx, tenant_id: str, postings: Iterable[Posting]) -> Rows[PostingEvent]:
    """Which events caused these postings and reversals, in any order."""
    return tx.query(PostingEvent, SQL["events_of_postings"], _postings(tenant_id, postings))


def references(tx: Tx, tenant_id: str, revisions: Iterable[Revision]) -> Rows[PostedReference]:
    """What these returns gave back."""
    return tx.query(PostedReference, SQL["references"], _revisions(tenant_id, revisions))


def insert_transactions(tx: Tx, tenant_id: str, rows: Sequence[Transaction], posted_at: datetime) -> None:
    """Write postings."""
    word, text, tenant = copying.word, copying.text, copying.text(tenant_id)
    copied = [
        f"{tenant}\t{row.transaction_id}\t{row.revision}\tposting\t{word(row.store_id)}\t{text(row.txn_id)}"
        f"\t{row.type}\t{row.event_type}\t{text(row.event_id)}\t{row.raw_id}\t{word(row.register_id)}"
        f"\t{word(row.cashier_id)}\t{text(row.customer_id)}\t{row.business_date}\t{row.books_date}"
        f"\t{row.occurred_at.astimezone(UTC)}\t{posted_at}\t{word(row.currency)}\t{row.lines}\t{row.units!s}\t{row.gross!s}"
        f"\t{row.discount!s}\t{row.tax!s}\t{row.included_tax!s}\t{row.rounding!s}\t{row.totals_difference!s}"
        f"\t{row.total!s}\t{word(row.payment)}\t{word(row.country)}\t{row.is_referenced}\t{row.simulated}\n"
        for row in rows
    ]
    tx.copy(SQL["insert_transactions"], copied)


def insert_lines(tx: Tx, tenant_id: str, rows: Sequence[LineItem]) -> None:
    """Write the lines of postings just inserted."""
    word, plain, tenant = copying.word, copying.plain, copying.text(tenant_id)
    copied = [
        f"{tenant}\t{row.transaction_id}\t{row.revision}\tposting\t{row.line_no}\t{word(row.sku)}"
        f"\t{word(row.name)}\t{word(row.brand)}\t{word(row.category)}\t{word(row.gtin)}\t{row.quantity!s}"
        f"\t{plain(row.unit_price)!s}\t{plain(row.discount)!s}\t{plain(row.tax)!s}\t{row.amount!s}"
        f"\t{row.product_key}\n"
        for row in rows
    ]
    tx.copy(SQL["insert_lines"], copied)


def insert_tenders(tx: Tx, tenant_id: str, rows: Sequence[Tender]) -> None:
    """Write how postings just inserted were paid."""
    word, tenant = copying.word, copying.text(tenant_id)
    copied = [
        f"{tenant}\t{row.transaction_id}\t{row.revision}\tposting\t{row.tender_no}\t{word(row.type)}\t{row.amount!s}\n"
        for row in rows
    ]
    tx.copy(SQL["insert_tenders"], copied)


def insert_references(tx: Tx, tenant_id: str, rows: Sequence[Reference]) -> None:
    """Write what returns just inserted give back."""
    tenant = copying.text(tenant_id)
    copied = [
        f"{tenant}\t{row.transaction_id}\t{row.revision}\tposting\t{row.line_no}"
        f"\t{row.original_transaction_id}\t{row.original_line_no}\t{row.quantity!s}\t{row.amount!s}\n"
        for row in rows
    ]
    tx.copy(SQL["insert_references"], copied)


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
        "kinds": arrays.plain(["posting"] * len(made) + ["reversal"] * len(undone)),
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


def count_events(tx: Tx, tenant_ids: Sequence[str]) -> Rows[TenantCount]:
    """How many events of each of these tenants are in the books."""
    return tx.query(TenantCount, SQL["count_events"], {"tenant_ids": list(tenant_ids)})


def count_transactions(tx: Tx, bounds: Bounds) -> Rows[TenantCount]:
    """How many postings and reversals there are."""
    return tx.query(TenantCount, SQL["count_transactions"], bounds.parameters())


def untrue_to_lines(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Those that do not say what their lines say, or do not add up."""
    return tx.query(Findings, SQL["untrue_to_lines"], bounds.parameters())


def count_reversals(tx: Tx, bounds: Bounds) -> Rows[TenantCount]:
    """How many of them are reversals."""
    return tx.query(TenantCount, SQL["count_reversals"], bounds.parameters())


def untrue_reversals(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Reversals that do not take back exactly what was posted."""
    return tx.query(Findings, SQL["untrue_reversals"], bounds.parameters())


def count_live_postings(tx: Tx, bounds: Bounds) -> Rows[TenantCount]:
    """How many postings stand."""
    return tx.query(TenantCount, SQL["count_live_postings"], bounds.parameters())


def count_live_heads(tx: Tx, bounds: Bounds) -> Rows[TenantCount]:
    """How many heads name a posting that stands."""
    return tx.query(TenantCount, SQL["count_live_heads"], bounds.parameters())


def lost_references(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """References that lead nowhere."""
    return tx.query(Findings, SQL["lost_references"], {"tenant_ids": list(tenant_ids)})


def orphans(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Lines, tenders and references of no transaction."""
    return tx.query(Findings, SQL["orphans"], {"tenant_ids": list(tenant_ids)})


def without_arrival(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Postings whose arrival is not there, by their events."""
    return tx.query(Findings, SQL["without_arrival"], bounds.parameters())


def out_of_batches(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Postings that no batch or more than one names, and what batches name that is not there."""
    return tx.query(Findings, SQL["out_of_batches"], {"tenant_ids": list(tenant_ids)})


def untrue_guards(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Lines of which a head says that another quantity or amount was given back than stands."""
    return tx.query(Findings, SQL["untrue_guards"], {"tenant_ids": list(tenant_ids)})


def given_back_of_no_sale(tx: Tx, tenant_ids: Sequence[str], selling: Sequence[str]) -> Rows[Findings]:
    """What something was given back of that does not stand, or is of none of the types that sell."""
    parameters = {"tenant_ids": list(tenant_ids), "selling": list(selling)}
    return tx.query(Findings, SQL["given_back_of_no_sale"], parameters)


def untrue_to_references(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Those that give back what they do not refer to, or refer to what they do not give back."""
    return tx.query(Findings, SQL["untrue_to_references"], bounds.parameters())


def untrue_to_tenders(tx: Tx, bounds: Bounds) -> Rows[Findings]:
    """Those whose tenders are not the total, or not the payment that they name."""
    return tx.query(Findings, SQL["untrue_to_tenders"], bounds.parameters())


def receipt_sums(tx: Tx, bounds: Bounds, known: Sequence[str]) -> Rows[ReceiptSums]:
    """What the receipts of every day come to. `known`: the means of payment, in small letters, to tell apart."""
    return tx.query(ReceiptSums, SQL["receipt_sums"], bounds.parameters() | {"known": list(known)})


def tender_sums(tx: Tx, bounds: Bounds, known: Sequence[str]) -> Rows[TenderSums]:
    """What was paid by each means where a receipt was paid with several kinds. `known`: as above."""
    return tx.query(TenderSums, SQL["tender_sums"], bounds.parameters() | {"known": list(known)})


def untrue_heads(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Live heads of what does not stand, and what stands without a live head."""
    return tx.query(Findings, SQL["untrue_heads"], {"tenant_ids": list(tenant_ids)})


def untrue_events(tx: Tx, tenant_ids: Sequence[str]) -> Rows[Findings]:
    """Events in the books of no posted key, and posted keys that are not in the books."""
    return tx.query(Findings, SQL["untrue_events"], {"tenant_ids": list(tenant_ids)})


def tenants(tx: Tx, after: str, most: int) -> Rows[str]:
    """Tenants with anything in the books, in order, from the one after this on."""
    return tx.scalars(str, SQL["tenants"], {"after": after, "most": most})


def standing(tx: Tx, tenant_id: str, after: Revision, since: date | None, most: int) -> Rows[Standing]:
    """Postings that stand, from the one after this on. `since`: of this books date or later."""
    after_id, revision = after
    bounds = {"after_id": after_id, "after_revision": revision, "since": since, "most": most}
    return tx.query(Standing, SQL["standing"], {"tenant_id": tenant_id} | bounds)


def events_by_day(tx: Tx, tenant_id: str, days: Days) -> Rows[PostedEvents]:
    """How many events of a tenant are in the books, by store and day."""
    return tx.query(PostedEvents, SQL["events_by_day"], {"tenant_id": tenant_id, **days.parameters()})


def day_sums(tx: Tx, bounds: Bounds) -> Rows[DaySums]:
    """What lines and receipts say of every day of every store."""
    return tx.query(DaySums, SQL["day_sums"], bounds.parameters())


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


def _postings(tenant_id: str, postings: Iterable[Posting]) -> dict[str, object]:
    listed = list(postings)
    return {
        "tenant_id": tenant_id,
        "transaction_ids": arrays.plain(transaction_id for transaction_id, _, _ in listed),
        "revisions": arrays.plain(revision for _, revision, _ in listed),
        "kinds": arrays.plain(kind for _, _, kind in listed),
    }
