"""trace: what happened to this event? The whole chain of one key, read in one snapshot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.contracts.doors import FILE
from ledgersafe.db.database import Database, Tx
from ledgersafe.files import store as files
from ledgersafe.gate import store as gate
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table, tables
from ledgersafe.ledger import store as ledger
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver import store as silver
from ledgersafe.silver.rules import LineInWords, Posting
from ledgersafe.tenants import store as tenants

MOST_ARRIVALS = 1_000
MOST_LINES = 1_000


KeyValue = str | int | None


@dataclass(frozen=True, slots=True)
class GoldRow:
    """A row of a gold table that an event moved, by its keys; or a table, where its rows cannot be told from the event.

    `pending`: the table has yet to apply the batch of postings, or one of them.
    """

    table: str
    keys: Mapping[str, KeyValue]
    state: Literal["applied", "pending"]
    batch_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """One key from arrival to the books. `arrivals`: the first MOST_ARRIVALS of `key.arrivals`; `origins`: of those
    that came out of files.

    `transactions`, `entries`: what the event caused, postings and reversals; `lines`: the first MOST_LINES of them;
    `gold`: the rows that these moved.
    """

    tenant_id: str
    key: gate.Key
    arrivals: list[bronze.StoredRaw]
    origins: dict[UUID, files.Origin]
    payloads: list[gate.Payload]
    exceptions: list[quarantine.ExceptionRow]
    audit: list[audit.StoredEntry]
    waiting_to_post: bool
    transactions: list[silver.Posted]
    lines: list[LineInWords]
    entries: list[ledger.StoredEntry]
    gold: list[GoldRow]


def trace(database: Database, tenant_id: str, event_id: str) -> Trace | None:
    """The chain of one key, or None where the tenant never sent it."""
    with database.snapshot() as tx:
        key = gate.key(tx, tenant_id, event_id).first()
        if key is None:
            return None
        later = gate.later_arrivals(tx, tenant_id, event_id, MOST_ARRIVALS - 1).all()
        arrivals = bronze.arrivals_by_id(tx, tenant_id, [key.first_payload().raw_id, *later]).all()
        others = gate.other_payloads(tx, tenant_id, [event_id])
        exceptions = quarantine.exceptions_of_key(tx, tenant_id, event_id).all()
        decisions = audit.of_objects(tx, tenant_id, "exception", [str(row.exception_id) for row in exceptions])
        payloads = [key.first_payload(), *others.all()]
        waiting = gate.is_waiting_to_post(tx, tenant_id, [payload.raw_id for payload in payloads])
        transactions = silver.postings_of_events(tx, tenant_id, [event_id]).all()
        return Trace(
            tenant_id,
            key,
            arrivals,
            _origins(tx, tenant_id, arrivals),
            payloads,
            exceptions,
            decisions.all(),
            waiting.one(),
            transactions,
            silver.lines_in_words(tx, tenant_id, _names(transactions), MOST_LINES).all(),
            _entries(tx, tenant_id, transactions),
            _gold_rows(gold.moved_by(tx, tenant_id, event_id, list(tables())).all()),
        )


def receipts(database: Database, tenant_id: str, txn_id: str) -> list[silver.Posted]:
    """What is in the books under a receipt's number, in whichever store; at most MOST_LINES postings and reversals."""
    with database.snapshot() as tx:
        tx.look_up_by_index()
        stores = tenants.store_settings(tx, tenants.StoreFilter(tenant_ids=[tenant_id])).all()
        store_ids = [store.store_id for store in stores]
        return silver.postings_of_receipt(tx, tenant_id, store_ids, txn_id, MOST_LINES).all()


def _origins(tx: Tx, tenant_id: str, arrivals: Sequence[bronze.StoredRaw]) -> dict[UUID, files.Origin]:
    """Which rows of which files these were made of, where they were."""
    ids = [row.raw_id for row in arrivals if row.door == FILE]
    return {origin.raw_id: origin for origin in files.origins(tx, tenant_id, ids).all()} if ids else {}


def _names(caused: Sequence[silver.Posted]) -> list[Posting]:
    return [(row.transaction_id, row.revision, row.kind) for row in caused]


def _entries(tx: Tx, tenant_id: str, caused: Sequence[silver.Posted]) -> list[ledger.StoredEntry]:
    """The entries of these postings and reversals."""
    wanted = set(_names(caused))
    ids = sorted({row.transaction_id for row in caused})
    found = [ledger.entries(tx, ledger.Filter(tenant_id, transaction_id=one), MOST_ARRIVALS) for one in ids]
    return [row for rows in found for row in rows.all() if (row.transaction_id, row.revision, row.kind) in wanted]


def _gold_rows(moved: Sequence[gold.Moved]) -> list[GoldRow]:
    """The rows that these postings moved, by table and keys; at most MOST_ARRIVALS."""
    batches: dict[tuple[str, tuple[tuple[str, KeyValue], ...]], dict[UUID, bool]] = {}
    for posting in moved:
        for table in tables().values():
            for keys in _keys(table, posting):
                row = batches.setdefault((table.name, tuple(keys.items())), {})
                row[posting.batch_id] = table.name in posting.applied
    found = [
        GoldRow(table, dict(keys), "applied" if all(of.values()) else "pending", tuple(sorted(of)))
        for (table, keys), of in batches.items()
    ]
    return sorted(found, key=lambda row: (row.table, str(row.keys)))[:MOST_ARRIVALS]


def _keys(table: Table, posting: gold.Moved) -> Iterator[dict[str, KeyValue]]:
    """The keys of the rows that a posting moves in a table: none, or {} where they cannot be told from it.

    A table says by its keys and by what it reads which postings it is about; so a new one is found here by itself.
    """
    is_trade = posting.type in ("SALE", "RETURN")
    of_accounts = "ledger.entries" in table.reads
    if table.follows_arrivals or not (is_trade or (of_accounts and posting.accounts)):
        return
    known: dict[str, Sequence[KeyValue]] = {
        "books_date": [posting.books_date.isoformat()],
        "store_id": [posting.store_id],
        "currency": [posting.currency],
        "country": [posting.country],
        "region": [posting.region],
        "hour": [posting.hour],
        "sku": posting.skus,
        "brand": posting.brands,
        "payment": posting.payments or [""],
        "account": posting.accounts,
    }
    if table.kind != "additive" or any(name not in known for name in table.cursor):
        yield {}
        return
    for values in product(*(known[name] for name in table.cursor)):
        yield dict(zip(table.cursor, values, strict=True))


@dataclass(frozen=True, slots=True)
class ExceptionDetail:
    """One exception with every payload of its key; `arrivals` holds the arrival that brought each, `origins` of which
    rows of a file it was made.
    """

    exception: quarantine.ExceptionRow
    key: gate.Key
    payloads: list[gate.Payload]
    arrivals: dict[UUID, bronze.StoredRaw]
    origins: dict[UUID, files.Origin]


def exception_detail(
    database: Database, tenant_ids: Sequence[str] | None, exception_id: UUID
) -> ExceptionDetail | None:
    """One exception of these tenants, or None."""
    with database.snapshot() as tx:
        row = quarantine.exception(tx, tenant_ids, exception_id).first()
        if row is None:
            return None
        key = gate.key(tx, row.tenant_id, row.idempotency_key).one()
        payloads = [key.first_payload(), *gate.other_payloads(tx, row.tenant_id, [row.idempotency_key]).all()]
        arrivals = bronze.arrivals_by_id(tx, row.tenant_id, [payload.raw_id for payload in payloads]).all()
        origins = _origins(tx, row.tenant_id, arrivals)
        return ExceptionDetail(row, key, payloads, {arrival.raw_id: arrival for arrival in arrivals}, origins)


def exception_page(database: Database, chosen: quarantine.Filter, most: int) -> list[quarantine.ExceptionRow]:
    """One page of exceptions, oldest first."""
    with database.snapshot() as tx:
        return quarantine.page(tx, chosen, most).all()


def count_exceptions(database: Database, chosen: quarantine.Filter, most: int) -> int:
    """How many there are on all pages; `most`: no more are counted."""
    with database.snapshot() as tx:
        return quarantine.count_page(tx, chosen, most).one()
