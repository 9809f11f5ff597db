"""gold verify: every table, made anew from what is posted, held against the table row by row, in one snapshot."""

from dataclasses import dataclass

from ledgersafe.db.database import Database, Tx
from ledgersafe.gold import store as gold
from ledgersafe.gold.rules import Table, tables
from ledgersafe.pipeline.refresh import days_of

_NEVER = gold.Made(None, None)


@dataclass(frozen=True, slots=True)
class TableCheck:
    """One table of one tenant. `pending`: batches it has yet to apply; `differences`: the first rows that are off."""

    tenant_id: str
    table: str
    pending: int
    differences: tuple[gold.Row, ...]

    @property
    def ok(self) -> bool:
        """Whether it is what it should be, but for what is pending."""
        return not self.differences


def verify_gold(database: Database, tenant_id: str | None = None, most: int = 100) -> list[TableCheck]:
    """Every table of one tenant, or of all of which anything arrived; `most`: how many rows are named of each."""
    with database.snapshot() as tx:
        known = gold.tenants(tx).all() if tenant_id is None else [tenant_id]
        return [_check(tx, one, table, most) for one in known for table in tables().values()]


def _check(tx: Tx, tenant_id: str, table: Table, most: int) -> TableCheck:
    """What is made of other tables is compared but for the windows that pending batches touch."""
    look = gold.pending_arrivals if table.follows_arrivals else gold.pending
    pending = [one.batch_id for one in look(tx, [table.name], tenant_id=tenant_id, most=None).all()]
    days = days_of(tx, table, tenant_id, pending) if table.kind == "recomputed" else ()
    made = gold.state(tx, tenant_id, table).first() or _NEVER
    off = gold.differences(tx, tenant_id, table, gold.LeftOut(pending, days), made, most).all()
    return TableCheck(tenant_id, table.name, len(pending), tuple(off))
