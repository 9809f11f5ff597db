"""verify: what must always hold, held against the tables themselves in one snapshot."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.rows import TenantCount
from ledgersafe.gate import store as gate
from ledgersafe.quarantine import store as quarantine


@dataclass(frozen=True, slots=True)
class Check:
    """Two numbers that must be equal. `details`: what they are."""

    name: str
    left: int
    right: int
    details: str

    @property
    def ok(self) -> bool:
        """Whether they are equal."""
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class TenantChecks:
    """The checks of one tenant."""

    tenant_id: str
    checks: tuple[Check, ...]


def verify(database: Database, tenant_id: str | None = None) -> list[TenantChecks]:
    """Every check of one tenant, or of all that have any arrival."""
    with database.snapshot() as tx:
        facts = _facts(tx, tenant_id)
    return [TenantChecks(name, tuple(_checks(facts[name]))) for name in sorted(facts)]


def _facts(tx: Tx, tenant_id: str | None) -> dict[str, dict[str, int]]:
    """By tenant, every number that a check needs."""
    facts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for count in gate.counters(tx, None if tenant_id is None else [tenant_id]).all():
        facts[count.tenant_id].update(_counts(count, "counted"))
    for count in gate.count_keys(tx, tenant_id).all():
        facts[count.tenant_id].update(_counts(count, "keys"))
    _add(facts, "arrivals", bronze.count_arrivals(tx, tenant_id).all())
    _add(facts, "open", quarantine.count_open(tx, tenant_id).all())
    _add(facts, "exceptions", quarantine.count_all(tx, tenant_id).all())
    _add(facts, "opened", audit.count_of_action(tx, "exception.opened", tenant_id).all())
    return facts


def _counts(counts: gate.Counts, prefix: str) -> dict[str, int]:
    names = ("events_raw", "processed", "quarantined", "ignored", "exceptions_open")
    return {f"{prefix}.{name}": getattr(counts, name) for name in names}


def _add(facts: dict[str, dict[str, int]], name: str, counts: Iterable[TenantCount]) -> None:
    for count in counts:
        facts[count.tenant_id][name] = count.number


def _checks(of: dict[str, int]) -> Iterable[Check]:
    yield Check(
        "every_arrival_is_counted", of["arrivals"], of["keys.events_raw"], "rows of bronze = arrivals of all keys"
    )
    yield Check(
        "one_open_exception_a_held_key", of["open"], of["keys.quarantined"], "open exceptions = quarantined keys"
    )
    yield Check("no_exception_without_audit", of["exceptions"], of["opened"], "exceptions = audit rows that opened one")
    for name in ("events_raw", "processed", "quarantined", "ignored"):
        yield Check(
            f"counter_{name}", of[f"counted.{name}"], of[f"keys.{name}"], f"the counter {name} = the keys' own count"
        )
    yield Check("counter_exceptions_open", of["counted.exceptions_open"], of["open"], "the counter = open exceptions")
