"""Posting in tests of the core: events accepted and promoted, and what the books hold, read past the product."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from ledgersafe.db.database import Database
from ledgersafe.pipeline.promote import Promoted, promote
from tests.attack.judge import TABLE_CHECKS, broken
from tests.events import sale
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import failed_checks

Row = tuple[Any, ...]
DAY = date(2026, 2, 25)
LINES = [{"sku": "A", "qty": 3, "amount": 30}, {"sku": "B", "qty": 1, "amount": "12.5"}]
"""What `sold` sells: 42.50."""

SOUND: dict[str, str] = {
    "a revision is posted once, and reversed at most once after it": """
        SELECT tenant_id, transaction_id, revision FROM silver.transactions GROUP BY 1, 2, 3
        HAVING count(*) FILTER (WHERE kind = 'posting') <> 1""",
    "only the last revision may stand": """
        SELECT t.tenant_id, t.transaction_id, t.revision FROM silver.transactions t
        JOIN silver.heads h USING (tenant_id, transaction_id)
        GROUP BY 1, 2, 3, h.revision, h.state
        HAVING (count(*) = 1) <> (t.revision = h.revision AND h.state = 'live')""",
    "a transaction has one head, of its name": """
        SELECT tenant_id, transaction_id FROM silver.transactions t LEFT JOIN silver.heads h
        USING (tenant_id, transaction_id, store_id, txn_id) WHERE h.revision IS NULL""",
    "a head that is not awaited has its posting": """
        SELECT h.tenant_id, h.txn_id FROM silver.heads h LEFT JOIN silver.transactions t
        USING (tenant_id, transaction_id, revision) WHERE h.state <> 'awaited' AND t.kind IS NULL""",
    "a reversal is its posting negated": """
        SELECT tenant_id, transaction_id FROM silver.transactions GROUP BY tenant_id, transaction_id, revision
        HAVING count(*) = 2 AND (sum(units), sum(gross), sum(discount), sum(tax), sum(included_tax), sum(rounding),
          sum(totals_difference), sum(total)) <> (0, 0, 0, 0, 0, 0, 0, 0)""",
    "lines and tenders make their transaction": """
        SELECT t.tenant_id, t.transaction_id FROM silver.transactions t
        LEFT JOIN LATERAL (SELECT count(*) AS n, sum(quantity) AS units, sum(amount) AS gross FROM silver.line_items l
          WHERE (l.tenant_id, l.transaction_id, l.revision, l.kind) = (t.tenant_id, t.transaction_id, t.revision, t.kind)
        ) AS l ON true
        LEFT JOIN LATERAL (SELECT sum(amount) AS paid FROM silver.tenders p
          WHERE (p.tenant_id, p.transaction_id, p.revision, p.kind) = (t.tenant_id, t.transaction_id, t.revision, t.kind)
        ) AS p ON true
        WHERE (n, l.units, l.gross) <> (t.lines, t.units, t.gross) OR coalesce(paid, total) <> total
           OR total <> t.gross - discount + tax - included_tax + rounding + totals_difference""",
    "what moves money has an entry": """
        SELECT t.tenant_id, t.transaction_id FROM silver.transactions t LEFT JOIN ledger.entries e
        USING (tenant_id, transaction_id, revision, kind)
        WHERE e.entry_id IS NULL AND (t.total <> 0 OR (t.gross <> 0 AND t.type <> 'STOCK_ADJUSTMENT'))""",
    "an entry is its transaction's": """
        SELECT e.tenant_id, e.entry_id FROM ledger.entries e LEFT JOIN silver.transactions t
        USING (tenant_id, transaction_id, revision, kind, store_id, business_date, books_date, currency, raw_id, posted_at)
        WHERE t.type IS NULL OR (e.kind = 'reversal') <> (e.reverses IS NOT NULL)""",
    "a reversal takes its entry back": """
        SELECT r.tenant_id, r.entry_id FROM ledger.entries r JOIN ledger.entries e
        ON e.tenant_id = r.tenant_id AND e.entry_id = r.reverses
        WHERE r.accounts <> e.accounts OR r.amounts <> ARRAY(SELECT -a FROM unnest(e.amounts) AS a)
           OR (r.transaction_id, r.revision, e.kind) <> (e.transaction_id, e.revision, 'posting')""",
    "entries balance, over known accounts": """
        SELECT tenant_id, entry_id FROM ledger.lines LEFT JOIN ledger.accounts USING (tenant_id, account)
        GROUP BY 1, 2 HAVING sum(amount) IS DISTINCT FROM 0 OR count(role) <> count(*)""",
    "a head knows what was given back": """
        SELECT tenant_id, txn_id FROM (
          SELECT h.tenant_id, h.txn_id, u.line, u.quantity, u.amount FROM silver.heads h CROSS JOIN LATERAL
            unnest(returned_lines, returned_quantities, returned_amounts) AS u (line, quantity, amount)
        ) AS k FULL JOIN (
          SELECT r.tenant_id, h.txn_id, original_line_no AS line, sum(quantity) AS quantity, sum(amount) AS amount
          FROM silver.references r JOIN silver.heads h
          ON h.tenant_id = r.tenant_id AND h.transaction_id = r.original_transaction_id GROUP BY 1, 2, 3
          HAVING (sum(quantity), sum(amount)) <> (0, 0)
        ) AS r USING (tenant_id, txn_id, line)
        WHERE k.quantity IS DISTINCT FROM r.quantity OR k.amount IS DISTINCT FROM r.amount""",
    "no more was given back than was sold": """
        SELECT h.tenant_id, h.txn_id FROM silver.heads h CROSS JOIN LATERAL
          unnest(returned_lines, returned_quantities, returned_amounts) AS u (line_no, quantity, amount)
        LEFT JOIN silver.line_items l ON l.line_no = u.line_no AND l.kind = 'posting'
          AND l.tenant_id = h.tenant_id AND l.transaction_id = h.transaction_id AND l.revision = h.revision
        WHERE h.state <> 'live' OR u.quantity < 0 OR u.amount < 0 OR u.quantity > l.quantity OR u.amount > l.amount
           OR l.line_no IS NULL""",
    "every posting is in one batch": """
        SELECT tenant_id, transaction_id FROM silver.transactions FULL JOIN (
          SELECT tenant_id, u.* FROM silver.batches, unnest(transaction_ids, revisions, kinds)
            AS u (transaction_id, revision, kind)
        ) AS b USING (tenant_id, transaction_id, revision, kind)
        GROUP BY tenant_id, transaction_id, revision, kind HAVING count(*) <> 1 OR count(lines) <> 1""",
    "who waits, waits in an open exception": """
        SELECT w.tenant_id, w.txn_id FROM silver.waiting w JOIN silver.heads h USING (tenant_id, store_id, txn_id)
        JOIN quarantine.exceptions e USING (tenant_id, exception_id) WHERE h.state <> 'awaited' AND e.status = 'open'""",
}


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


def unsound(connection: psycopg.Connection) -> list[str]:
    """What of any tenant's books must not be."""
    found = [f"{name}: {row}" for name, sql in SOUND.items() for row in connection.execute(f"{sql} LIMIT 5".encode())]
    return found + [f"{name}: {row}" for name in TABLE_CHECKS for row in broken(connection, name)]


def legs(**amounts: str) -> dict[str, Decimal]:
    """Balances, as `balances` gives them."""
    return {role: Decimal(amount) for role, amount in amounts.items()}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
