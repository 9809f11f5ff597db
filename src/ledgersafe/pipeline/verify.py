"""verify: what must always hold, held against the tables themselves in one snapshot."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.rows import DaySums, TenantCount
from ledgersafe.gate import store as gate
from ledgersafe.ledger import store as ledger
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver import store as silver


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
    _add(facts, "posted", gate.count_posted(tx, tenant_id).all())
    _add(facts, "to_post", gate.count_to_post(tx, tenant_id).all())
    _add(facts, "events", silver.count_events(tx, tenant_id).all())
    _add(facts, "transactions", silver.count_transactions(tx, tenant_id).all())
    _add(facts, "true_to_lines", silver.count_true_to_lines(tx, tenant_id).all())
    _add(facts, "reversals", silver.count_reversals(tx, tenant_id).all())
    _add(facts, "true_reversals", silver.count_true_reversals(tx, tenant_id).all())
    _add(facts, "live_postings", silver.count_live_postings(tx, tenant_id).all())
    _add(facts, "live_heads", silver.count_live_heads(tx, tenant_id).all())
    _add(facts, "lost_references", silver.count_lost_references(tx, tenant_id).all())
    _add(facts, "entries", ledger.count_entries(tx, tenant_id).all())
    _add(facts, "balanced", ledger.count_balanced(tx, tenant_id).all())
    _compare_days(facts, silver.day_sums(tx, tenant_id).all(), ledger.day_sums(tx, tenant_id).all())
    return facts


def _compare_days(facts: dict[str, dict[str, int]], of_silver: Iterable[DaySums], of_ledger: Iterable[DaySums]) -> None:
    """How many days of stores there are, and of how many silver and ledger say the same to the last digit."""
    silver_days = {_day(sums): _money(sums) for sums in of_silver}
    ledger_days = {_day(sums): _money(sums) for sums in of_ledger}
    nothing = (Decimal(0),) * 4
    for day in silver_days.keys() | ledger_days.keys():
        facts[day[0]]["days"] += 1
        facts[day[0]]["true_days"] += silver_days.get(day, nothing) == ledger_days.get(day, nothing)


def _day(sums: DaySums) -> tuple[str, str, date, str]:
    return sums.tenant_id, sums.store_id, sums.books_date, sums.currency


def _money(sums: DaySums) -> tuple[Decimal, ...]:
    return sums.sales, sums.returns, sums.discounts, sums.tax


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
    waiting = f"; {of['to_post']} more wait to be posted" if of["to_post"] else ""
    yield Check("posted_keys", of["posted"], of["events"], f"posted keys = events that silver has{waiting}")
    yield Check("lines_make_transactions", of["transactions"], of["true_to_lines"], "transactions = those that add up")
    yield Check("reversals_take_back", of["reversals"], of["true_reversals"], "reversals = those of what was posted")
    yield Check("heads_say_what_stands", of["live_postings"], of["live_heads"], "postings that stand = live heads")
    yield Check("references_lead_somewhere", of["lost_references"], 0, "references to lines that are not there")
    yield Check("entries_balance", of["entries"], of["balanced"], "entries = those in balance, to known accounts")
    yield Check("silver_is_ledger", of["days"], of["true_days"], "days of stores = those with the same sums in both")
