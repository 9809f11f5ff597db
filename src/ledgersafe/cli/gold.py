"""`ledgersafe gold`: the tables of answers, on a database that is there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

from ledgersafe.bootstrap import APPLICATION_ROLE, app_url, settings
from ledgersafe.cli.output import JsonOption, note, out, print_json, table
from ledgersafe.db.database import Database
from ledgersafe.gold.rules import tables
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.gold_verify import TableCheck, verify_gold
from ledgersafe.pipeline.rebuild import rebuild as rebuild_gold
from ledgersafe.pipeline.rebuild import rebuild_outdated
from ledgersafe.pipeline.refresh import Refreshed
from ledgersafe.pipeline.refresh import refresh as refresh_gold
from ledgersafe.pipeline.verify import require_tenant

_SECONDS = 600.0  # all of a tenant's postings are summed up anew
TenantOption = Annotated[str | None, typer.Option(help="One tenant only.")]

app = typer.Typer(no_args_is_help=True, help="Bring the tables of answers up to date, or check them.")


@app.command()
def refresh(tenant: TenantOption = None, json: JsonOption = False) -> None:
    """Bring every table up to date, at once. The worker does so by itself. Exits with 1 where it fails."""
    with closing(_database()) as database:
        done = rebuild_outdated(database, SystemClock(), tenant)
        done += refresh_gold(database, SystemClock(), tenant_id=tenant)
    _tell("refreshed", done, json=json)


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="The table, without its schema.")],
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Empty a table and make it anew from what is posted, and then every table that is made of it.

    Each is one transaction: whoever reads meanwhile sees the rows of before.
    """
    if name not in tables():
        note(f"There is no gold table {name!r}. There are: {', '.join(tables())}.")
        raise typer.Exit(2)
    with closing(_database()) as database:
        done = rebuild_gold(database, SystemClock(), name, tenant)
    _tell("rebuilt", done, json=json)


def _tell(verb: str, done: Sequence[Refreshed], *, json: bool) -> None:
    """What was done, table by table; exits with 1 where any failed."""
    rows = [(one.tenant_id, one.table, one.batches, one.rows, one.error or "ok") for one in done]
    if json:
        names = ("tenant_id", "table", "batches", "rows", "result")
        print_json({verb: [dict(zip(names, row, strict=True)) for row in rows]})
    elif rows:
        out().print(table(None, ("tenant", "table", "batches>", "rows>", ""), rows))
    else:
        out().print("Every table is up to date.")
    if any(one.error is not None for one in done):
        raise typer.Exit(1)


@app.command()
def verify(tenant: TenantOption = None, json: JsonOption = False) -> None:
    """Make every table anew from what is posted, and compare it row by row. Exits with 1 where a row is off."""
    with closing(_database()) as database:
        if tenant is not None:
            require_tenant(database, tenant)
        checks = verify_gold(database, tenant)
    if json:
        print_json({"ok": all(check.ok for check in checks), "tables": [_as_json(check) for check in checks]})
    else:
        cells = [(one.tenant_id, one.table, one.pending, "ok" if one.ok else "OFF") for one in checks]
        out().print(table(None, ("tenant", "table", "pending batches>", ""), cells))
        for check in checks:
            if not check.ok:
                names = list(check.differences[0])
                rows = [tuple(row.values()) for row in check.differences]
                out().print(table(f"{check.tenant_id}: rows of {check.table} that are off", names, rows))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _as_json(check: TableCheck) -> Mapping[str, Any]:
    return {
        "tenant_id": check.tenant_id,
        "table": check.table,
        "ok": check.ok,
        "pending": check.pending,
        "differences": [dict(_plain(row)) for row in check.differences],
    }


def _plain(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Decimals and dates as text: JSON has neither."""
    for name, value in row.items():
        yield name, value if isinstance(value, int | str | None) else str(value)


def _database() -> Database:
    return Database(app_url(settings()), size=2, role=APPLICATION_ROLE, statement_timeout=_SECONDS)
