"""Posting in tests of the core: events accepted and promoted, and what the books hold, read past the product."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from ledgersafe.db.database import Database
from ledgersafe.pipeline.promote import Promoted, promote
from ledgersafe.pipeline.verify_bodies import verify_bodies
from tests.attack.judge import TABLE_CHECKS, broken
from tests.attack.judge_books import BOOKS_CHECKS
from tests.events import sale
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import failed_checks

Row = tuple[Any, ...]
DAY = date(2026, 2, 25)
LINES = [{"sku": "A", "qty": 3, "amount": 30}, {"sku": "B", "qty": 1, "amount": "12.5"}]
"""What `sold` sells: 42.50."""


@dataclass(slots=True)
class Till:
    """One tenant's events on their way into the books, and what the books say."""

    db: Database
    superuser: psycopg.Connection
    tenant: str
    now: datetime

    def send(self, *events: dict[str, Any]) -> Promoted:
        """Accept and post until nothing is left to be posted now."""
        accepted(self.db, events)
        return self.drain()

    def drain(self) -> Promoted:
        total = Promoted()
        while found := promote(self.db, self.tenant, self.now):
            total += found
        return total

    def sold(self, event_id: str = "s", **changes: Any) -> dict[str, Any]:
        return sale(self.tenant, event_id, **({"line_items": LINES, "payment_method": "cash"} | changes))

    def returned(
        self, event_id: str = "r", of: str | None = "txn-s", qty: object = 1, amount: object = 10, **changes: Any
    ) -> dict[str, Any]:
        lines = [{"sku": "A", "qty": qty, "amount": amount}]
        given = {"event_type": "RETURN", "original_txn_id": of, "line_items": lines, "total_amount": amount}
        return self.sold(event_id, **(given | changes))

    def amended(self, kind: str, event_id: str, of: str = "txn-s", **changes: Any) -> dict[str, Any]:
        """A CORRECTION (whole, as sold) or a VOID or CANCEL (without lines)."""
        bare = {} if kind == "CORRECTION" else {"line_items": None, "total_amount": None, "payment_method": None}
        return self.sold(event_id, **({"event_type": kind, "original_txn_id": of} | bare | changes))

    def rows(self, sql: str, *parameters: object) -> list[Row]:
        """For a query with the tenant as its first parameter."""
        return self.superuser.execute(sql.encode(), (self.tenant, *parameters)).fetchall()

    def set(self, **settings: object) -> None:
        """The tenant's settings; it is made where it is not there."""
        self.rows(
            "INSERT INTO tenants.tenants (tenant_id, created_at, created_by) VALUES (%s, now(), 'test') ON CONFLICT DO NOTHING RETURNING 1"
        )
        for name, value in settings.items():
            self.rows(
                f"WITH t AS (SELECT %s AS t) UPDATE tenants.tenants SET {name} = %s FROM t WHERE tenant_id = t RETURNING 1",
                value,
            )

    def period(self, month: date, status: str) -> None:
        sql = "INSERT INTO ledger.periods VALUES (%s, %s, %s, now(), 'test') ON CONFLICT (tenant_id, period) DO UPDATE SET status = excluded.status RETURNING 1"
        self.rows(sql, month, status)

    def held(self) -> dict[str, str]:
        """Event → reason of what is parked."""
        sql = "SELECT idempotency_key, reason_code FROM quarantine.exceptions WHERE tenant_id = %s AND status = 'open'"
        return dict(self.rows(sql))

    def keys(self) -> dict[str, tuple[str, bool]]:
        """Event → (status, whether it is posted)."""
        sql = "SELECT idempotency_key, status, posted_at IS NOT NULL FROM gate.events_processed WHERE tenant_id = %s"
        return {key: (status, posted) for key, status, posted in self.rows(sql)}

    def balances(self, books_date: date | None = None) -> dict[str, Decimal]:
        """Role → balance, debit positive; without those of nothing."""
        sql = """SELECT role, sum(amount) FROM ledger.lines JOIN ledger.accounts USING (tenant_id, account)
            WHERE tenant_id = %s AND (%s::date IS NULL OR books_date = %s) GROUP BY 1 HAVING sum(amount) <> 0"""
        return dict(self.rows(sql, books_date, books_date))

    def states(self) -> dict[str, tuple[str, int | None]]:
        """txn_id → (state, revision)."""
        sql = "SELECT txn_id, state, revision FROM silver.heads WHERE tenant_id = %s"
        return {txn: (state, revision) for txn, state, revision in self.rows(sql)}

    def count(self, table: str) -> int:
        return self.rows(f"SELECT count(*) FROM {table} WHERE tenant_id = %s")[0][0]

    def assert_sound(self) -> None:
        """All that must hold of any books, whatever was sent."""
        assert unsound(self.superuser) == []
        assert failed_checks(self.db, self.tenant) == []
        assert [
            check.details for found in verify_bodies(self.db, self.tenant) for check in found.checks if not check.ok
        ] == []


def unsound(connection: psycopg.Connection) -> list[str]:
    """What of any tenant's books must not be."""
    return [f"{name}: {row}" for name in (*BOOKS_CHECKS, *TABLE_CHECKS) for row in broken(connection, name)]


def legs(**amounts: str) -> dict[str, Decimal]:
    """Balances, as `balances` gives them."""
    return {role: Decimal(amount) for role, amount in amounts.items()}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
