"""The limit of Postgres for posting: binary COPY of rows that were posted before into the same tables elsewhere.

Usage: python -m bench.peers.copy_books POSTED_URL EMPTY_URL TENANT. It reads what promote left in the one database,
batch by batch, says "ready", waits for a line, copies the rows into the other, a transaction a batch as promote has it,
and prints how many sales they were. Same role, same keys and foreign keys, all found by index. Nothing is read, decided
or locked, and the gate's rows are left alone.
"""

import sys
from collections.abc import Sequence
from uuid import UUID

import psycopg
from psycopg import sql

TABLES = ("silver.heads", "silver.transactions", "silver.line_items", "silver.tenders", "ledger.entries")
"""In the order of their foreign keys; besides, the row of silver.batches."""
_ROWS = """
COPY (SELECT * FROM {table} WHERE tenant_id = {tenant} AND transaction_id = ANY({ids}::uuid[]))
TO STDOUT (FORMAT BINARY)
"""
_BATCH = (
    "COPY (SELECT * FROM silver.batches WHERE tenant_id = {tenant} AND batch_id = {batch}) TO STDOUT (FORMAT BINARY)"
)
_BATCHES = "SELECT batch_id, transaction_ids FROM silver.batches WHERE tenant_id = %s ORDER BY batch_id"

Blocks = list[tuple[str, bytes]]
"""What one transaction copies: tables with their rows."""


def main() -> None:
    """Read, then copy."""
    posted, empty, tenant = sys.argv[1:]
    batches: list[Blocks] = []
    sales = 0
    with psycopg.connect(posted, autocommit=True) as connection:
        for batch_id, ids in connection.execute(_BATCHES, (tenant,)).fetchall():
            batches.append(_read(connection, tenant, batch_id, ids))
            sales += len(ids)
    with psycopg.connect(empty, autocommit=True, options="-c role=ledgersafe_app -c enable_seqscan=off") as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        for blocks in batches:
            _copy(connection, blocks)
    print(sales, flush=True)
    sys.stdin.read()


def _read(connection: psycopg.Connection, tenant: str, batch_id: UUID, ids: Sequence[UUID]) -> Blocks:
    blocks: Blocks = []
    for table in TABLES:
        name = sql.Identifier(*table.split("."))
        statement = sql.SQL(_ROWS).format(table=name, tenant=sql.Literal(tenant), ids=sql.Literal(list(ids)))
        blocks.append((table, _copied(connection, statement)))
    statement = sql.SQL(_BATCH).format(tenant=sql.Literal(tenant), batch=sql.Literal(batch_id))
    return [*blocks, ("silver.batches", _copied(connection, statement))]


def _copied(connection: psycopg.Connection, statement: sql.Composed) -> bytes:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(copy)


def _copy(connection: psycopg.Connection, blocks: Blocks) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for table, block in blocks:
            statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(*table.split(".")))
            with cursor.copy(statement) as copy:
                copy.write(block)


if __name__ == "__main__":
    main()
