"""verify: what must always hold, held against the tables themselves, a page of tenants in one snapshot.

Counts of arrivals and keys are over everything. What the books say is bounded by books date, where `since` is given; a
search for rows that belong nowhere has no day to go by, and is left out then.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.contracts.events import event_types
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.rows import AccountSums, Bounds, Findings, TenantCount
from ledgersafe.gate import store as gate
from ledgersafe.gold import store as gold
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import NOT_FOUND
from ledgersafe.ledger import store as ledger
from ledgersafe.ledger.rules import shares
from ledgersafe.pipeline.account_days import RoleDay, read_account_days, read_role_days
from ledgersafe.pipeline.reconcile import MEASURES, Day, read_days
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver import store as silver
from ledgersafe.tenants import store as tenants

MOST_TENANTS = 1_000
_SECONDS = 600.0
"""How long one statement may take: the large ones read all of a tenant's lines."""
NAMED = 20
"""How many of what is off are named."""


@dataclass(frozen=True, slots=True)
class Check:
    """Two numbers that must be equal, counts or sums of money. `details`: what they are, and what is off.

    Sums may be equal and days not: `ok` is of the days.
    """

    name: str
    ok: bool
    left: int | Decimal
    right: int | Decimal
    details: str


@dataclass(frozen=True, slots=True)
class TenantChecks:
    """The checks of one tenant."""

    tenant_id: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to verify: one tenant, or up to `most` after a tenant; the books from a day on.

    `may_be_new`: the tenant may be one of which nobody has heard yet, as an API key may be made before its first event.
    """

    tenant_id: str | None = None
    since: date | None = None
    after: str = ""
    most: int = MOST_TENANTS
    may_be_new: bool = False


@dataclass(slots=True)
class _Facts:
    """What the checks of one tenant are made of."""

    numbers: dict[str, int]
    findings: dict[str, Findings]
    days: list[Day]
    accounts: list[tuple[AccountSums, AccountSums]]
    roles: list[RoleDay]


def verify(database: Database, tenant_id: str | None = None, since: date | None = None) -> list[TenantChecks]:
    """Every check of one tenant, or of all that have anything; each tenant in one snapshot.

    Raises RequestRefused(NOT_FOUND) where there is no such tenant.
    """
    found: list[TenantChecks] = []
    after: str | None = ""
    while after is not None:
        page, after = verify_page(database, Wanted(tenant_id, since, after))
        found += page
    return found


def verify_page(database: Database, wanted: Wanted) -> tuple[list[TenantChecks], str | None]:
    """The checks of some tenants, in order, and the tenant after which to go on; None at the end.

    A tenant of which there is nothing has none. Raises RequestRefused(NOT_FOUND) where there is no such tenant.
    """
    with database.snapshot() as tx:
        tx.take_time(_SECONDS)
        known = _tenants(tx, wanted)
        names = known[: wanted.most]
        facts = _facts(tx, names, wanted.since)
        if wanted.tenant_id is not None and not facts and not wanted.may_be_new:
            _require_tenant(tx, wanted.tenant_id)
        checked = [TenantChecks(name, tuple(_checks(facts[name], wanted.since))) for name in names if name in facts]
    return checked, names[-1] if len(known) > wanted.most else None


def require_tenant(database: Database, tenant_id: str) -> None:
    """Raises RequestRefused(NOT_FOUND) where there is no such tenant: nothing of it would be off."""
    with database.snapshot() as tx:
        if gate.counters(tx, [tenant_id], 1).first() is None:
            _require_tenant(tx, tenant_id)


def _require_tenant(tx: Tx, tenant_id: str) -> None:
    if tenants.tenants(tx, [tenant_id]).first() is None:
        raise RequestRefused(NOT_FOUND, f"There is no tenant {tenant_id!r}: its first event makes it, or an import.")


def _tenants(tx: Tx, wanted: Wanted) -> list[str]:
    """One more than wanted, where there are more: whoever has a row anywhere."""
    if wanted.tenant_id is not None:
        return [wanted.tenant_id]
    sources = (bronze.tenants, gate.tenants, silver.tenants, ledger.tenants, gold.tenants_with_rows)
    found = [source(tx, wanted.after, wanted.most + 1) for source in sources]
    return sorted({name for names in found for name in names.all()})[: wanted.most + 1]


def _facts(tx: Tx, names: Sequence[str], since: date | None) -> Mapping[str, _Facts]:
    """By tenant, every number that a check needs; a tenant of which there is nothing is left out."""
    facts: dict[str, _Facts] = defaultdict(lambda: _Facts(defaultdict(int), {}, [], [], []))
    bounds = Bounds(names, since)
    for count in gate.counters(tx, names, len(names)).all():
        facts[count.tenant_id].numbers.update(_counts(count, "counted"))
    for count in gate.count_keys(tx, names).all():
        facts[count.tenant_id].numbers.update(_counts(count, "keys"))
    for day in read_days(tx, bounds):
        facts[day.place.tenant_id].days.append(day)
    account_days = read_account_days(tx, bounds)
    for of_entries, of_gold in account_days:
        facts[of_entries.tenant_id].accounts.append((of_entries, of_gold))
    _take(facts, _numbers(tx, bounds), _findings_beside(tx, bounds))
    tx.join_by_hash()
    for role_day in read_role_days(tx, bounds, (of_entries for of_entries, _ in account_days)):
        facts[role_day.place.tenant_id].roles.append(role_day)
    _take(facts, _numbers_of_joins(tx, bounds), _findings(tx, bounds))
    return facts


def _take(
    facts: Mapping[str, _Facts],
    numbers: Iterable[tuple[str, Iterable[TenantCount]]],
    findings: Iterable[tuple[str, Iterable[Findings]]],
) -> None:
    for name, counts in numbers:
        for count in counts:
            facts[count.tenant_id].numbers[name] = count.number
    for name, found in findings:
        for finding in found:
            facts[finding.tenant_id].findings[name] = finding


def _counts(counts: gate.Counts, prefix: str) -> dict[str, int]:
    names = ("events_raw", "processed", "quarantined", "ignored", "exceptions_open")
    return {f"{prefix}.{name}": getattr(counts, name) for name in names}


def _numbers(tx: Tx, bounds: Bounds) -> Iterator[tuple[str, Iterable[TenantCount]]]:
    names = bounds.tenant_ids
    yield "arrivals", bronze.count_arrivals(tx, names).all()
    yield "open", quarantine.count_open(tx, names).all()
    yield "exceptions", quarantine.count_all(tx, names).all()
    yield "opened", audit.count_of_action(tx, "exception.opened", names).all()
    yield "posted", gate.count_posted(tx, names).all()
    yield "to_post", gate.count_to_post(tx, names).all()
    yield "events", silver.count_events(tx, names).all()
    yield "transactions", silver.count_transactions(tx, bounds).all()
    yield "reversals", silver.count_reversals(tx, bounds).all()
    yield "entries", ledger.count_entries(tx, bounds).all()
    yield "pending_sales", gold.count_pending(tx, "daily_store_sales", names).all()
    yield "pending_accounts", gold.count_pending(tx, "account_daily", names).all()


def _numbers_of_joins(tx: Tx, bounds: Bounds) -> Iterator[tuple[str, Iterable[TenantCount]]]:
    """These, as the findings below, name the tenants on either side of a join: what is hashed is theirs alone."""
    yield "live_postings", silver.count_live_postings(tx, bounds).all()
    yield "live_heads", silver.count_live_heads(tx, bounds).all()


def _findings_beside(tx: Tx, bounds: Bounds) -> Iterator[tuple[str, Iterable[Findings]]]:
    yield "exceptions", quarantine.orphans(tx, bounds.tenant_ids).all()
    if bounds.since is None:
        yield "applied", gold.orphans(tx, bounds.tenant_ids).all()


def _findings(tx: Tx, bounds: Bounds) -> Iterator[tuple[str, Iterable[Findings]]]:
    names = bounds.tenant_ids
    yield "lost_keys", gate.lost(tx, names).all()
    yield "to_post_again", gate.to_post_again(tx, names).all()
    yield "lines", silver.untrue_to_lines(tx, bounds).all()
    yield "tenders", silver.untrue_to_tenders(tx, bounds).all()
    yield "returns", silver.untrue_to_references(tx, bounds).all()
    yield "reversals", silver.untrue_reversals(tx, bounds).all()
    yield "unbalanced", ledger.unbalanced(tx, bounds).all()
    yield "postings", silver.without_arrival(tx, bounds).all()
    yield "entries", ledger.orphans(tx, bounds).all()
    yield "untrue_entries", ledger.untrue_to_transactions(tx, bounds).all()
    rules = {name: contract.posts for name, contract in event_types().items() if contract.posts is not None}
    yield "untrue_legs", ledger.untrue_to_receipts(tx, bounds, list(shares(rules))).all()
    if bounds.since is None:
        yield "keys", gate.without_arrival(tx, names).all()
        yield "statuses", gate.untrue_statuses(tx, names).all()
        yield "payloads", gate.untrue_payloads(tx, names).all()
        yield "arrivals", bronze.without_key(tx, names).all()
        yield "references", silver.lost_references(tx, names).all()
        yield "parts", silver.orphans(tx, names).all()
        yield "batches", silver.out_of_batches(tx, names).all()
        yield "guards", silver.untrue_guards(tx, names).all()
        selling = [name for name, contract in event_types().items() if contract.sells]
        yield "originals", silver.given_back_of_no_sale(tx, names, selling).all()
        yield "heads", silver.untrue_heads(tx, names).all()
        yield "events", silver.untrue_events(tx, names).all()
        yield "claims", ledger.untrue_claims(tx, names).all()
        yield "runs", ledger.untrue_runs(tx, names).all()
        yield "decisions", quarantine.untrue_decisions(tx, names).all()


def _checks(of: _Facts, since: date | None) -> Iterator[Check]:
    yield from _of_arrivals(of)
    yield from _of_postings(of)
    if since is None:
        yield from _of_what_belongs_nowhere(of)
    yield from _of_money(of)


def _of_arrivals(of: _Facts) -> Iterator[Check]:
    n = of.numbers
    yield _equal(
        "every_arrival_is_counted", n["arrivals"], n["keys.events_raw"], "rows of bronze = arrivals of all keys"
    )
    yield _equal(
        "one_open_exception_a_held_key", n["open"], n["keys.quarantined"], "open exceptions = quarantined keys"
    )
    yield _equal("no_exception_without_audit", n["exceptions"], n["opened"], "exceptions = audit rows that opened one")
    for name in ("events_raw", "processed", "quarantined", "ignored"):
        what = f"the counter {name} = the keys' own count"
        yield _equal(f"counter_{name}", n[f"counted.{name}"], n[f"keys.{name}"], what)
    yield _equal("counter_exceptions_open", n["counted.exceptions_open"], n["open"], "the counter = open exceptions")
    yield _none(of, "exceptions_belong", "exceptions", "exceptions of no key or arrival")
    yield _none(of, "no_key_is_lost", "lost_keys", "accepted keys that are neither posted nor wait to be")
    yield _none(
        of, "nothing_posted_waits", "to_post_again", "keys that wait to be posted with a payload that is posted"
    )


def _of_postings(of: _Facts) -> Iterator[Check]:
    n = of.numbers
    waiting = f"; {n['to_post']} more wait to be posted" if n["to_post"] else ""
    yield _equal("posted_keys", n["posted"], n["events"], f"posted keys = events that silver has{waiting}")
    yield _but(of, "lines_make_transactions", n["transactions"], "lines", "transactions = those that add up")
    yield _but(
        of, "tenders_pay_totals", n["transactions"], "tenders", "transactions = those whose tenders pay the total"
    )
    what = "transactions = those that refer to what they give back"
    yield _but(of, "returns_refer_to_originals", n["transactions"], "returns", what)
    yield _but(of, "reversals_take_back", n["reversals"], "reversals", "reversals = those of what was posted")
    what = "postings that stand = live heads"
    yield _equal("heads_say_what_stands", n["live_postings"], n["live_heads"], what)
    yield _but(of, "entries_balance", n["entries"], "unbalanced", "entries = those in balance, to known accounts")
    yield _none(of, "postings_have_arrived", "postings", "events in the books that never arrived")
    yield _none(of, "entries_belong", "entries", "entries of no transaction")
    what = "entries = those of the day of their transaction, that take back what it takes back"
    yield _but(of, "entries_follow_transactions", n["entries"], "untrue_entries", what)
    what = "transactions = those whose entry is what posting makes of their sums and tenders"
    yield _but(of, "entries_post_receipts", n["transactions"], "untrue_legs", what)


def _of_what_belongs_nowhere(of: _Facts) -> Iterator[Check]:
    yield _none(of, "keys_have_arrived", "keys", "keys that name an arrival which is not there")
    what = "arrivals of no key, or that their key does not name, or with a payload that it does not name"
    yield _none(of, "arrivals_have_a_key", "arrivals", what)
    what = "keys whose status does not follow from what was decided of their payloads"
    yield _none(of, "keys_follow_decisions", "statuses", what)
    what = "keys of which what counts is not what is in the books or waits to be, once"
    yield _none(of, "what_counts_is_posted", "payloads", what)
    what = "closed exceptions that say something else than the audit row of their decision"
    yield _none(of, "decisions_are_on_record", "decisions", what)
    yield _none(of, "references_lead_somewhere", "references", "references to lines that are not there")
    yield _none(of, "lines_belong", "parts", "lines, tenders and references of no transaction")
    yield _none(
        of, "postings_are_in_one_batch", "batches", "postings that no batch, or not one alone, will bring to gold"
    )
    yield _none(of, "returned_is_counted", "guards", "lines of which the head says another return than stands")
    what = "transactions of which something was given back, though they do not stand or sold nothing"
    yield _none(of, "returns_are_of_sales", "originals", what)
    what = "live heads of what does not stand, and what stands without one"
    yield _none(of, "heads_name_what_stands", "heads", what)
    what = "events in the books of no posted key, and posted keys of nothing in the books"
    yield _none(of, "events_are_posted_keys", "events", what)
    what = "entries in export runs without their claim, claims of what is in none, runs of other pages than they had"
    yield _none(of, "exports_are_claimed", "claims", what)
    what = "export runs that say something else than the audit rows of their making and voiding, or are gone"
    yield _none(of, "exports_are_on_record", "runs", what)
    yield _none(of, "gold_applied_what_is_there", "applied", "batches in gold that were never committed")


def _of_money(of: _Facts) -> Iterator[Check]:
    """By currency: a sum over several means nothing."""
    for currency in sorted({day.place.currency for day in of.days}):
        days = [day for day in of.days if day.place.currency == currency]
        for at, measure in enumerate(MEASURES):
            left = [day.lines.values()[at] for day in days]
            accounts = [a + b for a, b in zip(left, (day.off_in_accounts.values()[at] for day in days), strict=True)]
            in_gold = [a + b for a, b in zip(left, (day.off_in_gold.values()[at] for day in days), strict=True)]
            places = [f"{day.place.store_id} {day.place.books_date} {currency}" for day in days]
            what = f"{measure} of the lines = of the accounts, every day of every store"
            yield _money(f"{measure}_in_ledger_{currency}", left, accounts, places, what)
            what = f"{measure} of the lines = of gold, every day of every store{_pending(of, 'pending_sales')}"
            yield _money(f"{measure}_in_gold_{currency}", left, in_gold, places, what)
    for currency, role in sorted({(day.place.currency, day.place.role) for day in of.roles}):
        own = [day for day in of.roles if (day.place.currency, day.place.role) == (currency, role)]
        places = [f"{day.place.books_date} {currency}" for day in own]
        what = f"{role} by receipts and tenders = of the accounts, every day"
        left, right = [day.receipts for day in own], [day.entries for day in own]
        yield _money(f"{role}_in_ledger_{currency}", left, right, places, what)
    for currency in sorted({left.currency for left, _ in of.accounts}):
        pairs = [pair for pair in of.accounts if pair[0].currency == currency]
        places = [f"{left.account} {left.books_date} {currency}" for left, _ in pairs]
        for side in ("debit", "credit"):
            what = f"{side}s of the entries = of gold, every day of every account{_pending(of, 'pending_accounts')}"
            values = [[getattr(one, side) for one in pair] for pair in pairs]
            name = f"{side}s_in_gold_{currency}"
            yield _money(name, [value for value, _ in values], [value for _, value in values], places, what)


def _pending(of: _Facts, name: str) -> str:
    number = of.numbers[name]
    return f"; {number} batches are pending, and reckoned in" if number else ""


def _equal(name: str, left: int, right: int, details: str) -> Check:
    return Check(name, left == right, left, right, details)


def _none(of: _Facts, name: str, kind: str, details: str) -> Check:
    """There must be none of these."""
    found = of.findings.get(kind)
    if found is None:
        return Check(name, ok=True, left=0, right=0, details=details)
    return Check(name, ok=False, left=found.number, right=0, details=named(details, found.number, found.examples))


def _but(of: _Facts, name: str, number: int, kind: str, details: str) -> Check:
    """Of so many, all must be as they should."""
    found = of.findings.get(kind)
    if found is None:
        return Check(name, ok=True, left=number, right=number, details=details)
    right = number - found.number
    return Check(name, ok=False, left=number, right=right, details=named(details, found.number, found.examples))


def _money(name: str, left: Sequence[Decimal], right: Sequence[Decimal], places: Sequence[str], details: str) -> Check:
    """Sums that must be equal place by place."""
    off = [f"{place}: {a} / {b}" for place, a, b in zip(places, left, right, strict=True) if a != b]
    details = named(details, len(off), off[:NAMED]) if off else details
    return Check(name, not off, sum(left, start=Decimal(0)), sum(right, start=Decimal(0)), details)


def named(details: str, number: int, examples: Iterable[str]) -> str:
    """What a check is about, with what is off: so many, the first of which are named."""
    named = list(examples)
    more = f" and {number - len(named)} more" if number > len(named) else ""
    return f"{details}; off: {', '.join(named)}{more}"
