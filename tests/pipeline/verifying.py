"""Books to be verified: what to do in them, what to damage, and what verify says of it."""

from datetime import UTC, date, datetime

import psycopg

from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.ledger.store import ExportName
from ledgersafe.pipeline import export
from ledgersafe.pipeline.accept import Outcome
from ledgersafe.pipeline.promote import promote
from ledgersafe.pipeline.verify import Check, verify
from tests.events import sale
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import IGNORE, decided, operator, wish

DAY = date(2026, 2, 25)
ONE_ARRIVAL = "DELETE FROM bronze.events_raw WHERE tenant_id = %(t)s AND event_id = 'plain'"


def some_traffic(db: Database, tenant: str) -> None:
    accepted(db, [sale(tenant, "plain"), sale(tenant, "retried"), sale(tenant, "faulty", total_amount=1)])
    accepted(db, [sale(tenant, "retried")], slot=1)


def broken(db: Database, tenant: str | None) -> dict[str, set[str]]:
    return {found.tenant_id: {check.name for check in found.checks if not check.ok} for found in verify(db, tenant)}


def some_books(db: Database, tenant: str) -> None:
    one_line = {"line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": 30}], "total_amount": 30}
    tenders = [{"type": "cash", "amount": 40, "change": 10}, {"type": "card", "amount": 12.5}]
    paid = {"plain": {"payment_method": "card"}, "corrected": {"tenders": tenders}}
    events = [sale(tenant, name, txn_id=f"txn-{name}", **how) for name, how in paid.items()]
    events.append(sale(tenant, "back", event_type="RETURN", txn_id="r", original_txn_id="txn-plain", **one_line))
    events.append(sale(tenant, "c", event_type="CORRECTION", txn_id="c", original_txn_id="txn-corrected", **one_line))
    accepted(db, events)
    assert promote(db, tenant, datetime.now(UTC)).posted == 4


def some_decisions(db: Database, tenant: str) -> dict[str, Outcome]:
    """Books with retries, decisions of every kind and two export runs, one of them voided. By key: what was parked."""
    some_books(db, tenant)
    accepted(db, [sale(tenant, "plain", txn_id="txn-plain", payment_method="card")])
    held = [sale(tenant, name, total_amount=1) for name in ("faulty", "let-go")]
    held.append(sale(tenant, "as-it-is", event_type="VOID", original_txn_id="none", line_items=None, total_amount=None))
    accepted(db, [sale(tenant, "as-it-is")])
    parked = {outcome.event_id: outcome for outcome in accepted(db, held)}
    promote(db, tenant, datetime.now(UTC))
    decided(db, str(parked["faulty"].exception_id), wish(patch={"total_amount": 42.5}))
    decided(db, str(parked["let-go"].exception_id), wish(IGNORE))
    decided(db, str(parked["as-it-is"].exception_id), wish(canonical="first", books_date=DAY))
    accepted(db, [sale(tenant, "changed")])
    promote(db, tenant, datetime.now(UTC))
    parked |= {one.event_id: one for one in accepted(db, [sale(tenant, "changed", register_id="9")])}
    decided(db, str(parked["changed"].exception_id), wish(canonical="last"))
    for number in (1, 2):
        export.begin(db, tenant, None, None, operator())
        export.go_on(db, ExportName(tenant, number), SystemClock(), 60)
        if number == 1:
            export.void(db, tenant, 1, "wrong books", operator())
    return parked


def by_name(db: Database, tenant: str, since: date | None = None) -> dict[str, Check]:
    (found,) = verify(db, tenant, since)
    return {check.name: check for check in found.checks}


def damage_rows(superuser: psycopg.Connection, tenant: str, damage: str) -> None:
    """Change rows of a tenant (`%(t)s`) past every constraint."""
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        assert superuser.execute(damage.encode(), {"t": tenant}).rowcount > 0


def assert_found_where_no_day_bounds(
    db: Database, superuser: psycopg.Connection, tenant: str, damage: str, expected: set[str]
) -> None:
    """Damage what operators did; these checks, and no other, find it."""
    some_decisions(db, tenant)
    assert broken(db, tenant) == {tenant: set()}
    damage_rows(superuser, tenant, damage)
    assert broken(db, tenant) == {tenant: expected}
    assert not any(name in by_name(db, tenant, DAY) for name in expected if "counter" not in name)
