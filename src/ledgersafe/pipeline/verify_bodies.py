"""verify --bodies: what stands in the books, held against the bodies that it was made of, as posting reads them.

A page of postings, with their bodies and what operators decided of them, is one snapshot: bodies never change, so that
pages need not be of one moment, and memory and transactions stay small however long the books are. A body that cannot
be read proves nothing: that is fine of one that was redacted on record, and of no other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.bronze import store as bronze
from ledgersafe.contracts.posting import sums
from ledgersafe.db.database import Database, Tx
from ledgersafe.pipeline.arrival import REDACTION
from ledgersafe.pipeline.candidate import Accepted, Candidate, candidate, typed
from ledgersafe.pipeline.give_back import original_name
from ledgersafe.pipeline.verify import MOST_TENANTS, NAMED, Check, TenantChecks, named, require_tenant
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver import store as silver
from ledgersafe.silver.store import Revision, Standing
from ledgersafe.tenants import store as tenants
from ledgersafe.tenants.store import BookSettings

_Goods = tuple[str, Decimal, Decimal]
"""What a line is of: sku, quantity, amount."""

_PAGE = 1_000
_MOST_BYTES = 4 * 2**20
_FIRST: Revision = ("00000000-0000-0000-0000-000000000000", 0)
_MEASURES = ("units", "gross", "discount", "tax", "included_tax", "total")
"""How a difference was split into rounding and the rest is left out: that is by the rules of the day it was posted."""


@dataclass(slots=True)
class _Held:
    """How many postings were held against their bodies, what is off of them, and how many bodies are redacted."""

    compared: int = 0
    off: int = 0
    examples: list[str] = field(default_factory=list[str])
    redacted: int = 0

    def add(self, one: Standing, differences: Sequence[str]) -> None:
        self.compared += 1
        if differences:
            self.off += 1
            if len(self.examples) < NAMED:
                self.examples.append(f"{one.transaction_id} revision {one.revision}: {', '.join(differences)}")

    def check(self) -> Check:
        details = "postings that stand = those of which their body, and the patch over it, says the same"
        if self.redacted:
            details += f"; {self.redacted} more cannot be read: they are redacted"
        if self.off:
            details = named(details, self.off, self.examples)
        return Check("bodies_say_what_stands", not self.off, self.compared, self.compared - self.off, details)


def verify_bodies(database: Database, tenant_id: str | None = None, since: date | None = None) -> list[TenantChecks]:
    """One check of one tenant, or of all with books: what stands says the amounts, name and currency of its body.

    `since`: of the books only this books date or later. Raises RequestRefused(NOT_FOUND) where there is no such tenant.
    """
    if tenant_id is not None:
        require_tenant(database, tenant_id)
    names = _tenants(database) if tenant_id is None else [tenant_id]
    return [TenantChecks(name, (_check(database, name, since),)) for name in names]


def _tenants(database: Database) -> Iterator[str]:
    after: str | None = ""
    while after is not None:
        with database.snapshot() as tx:
            page = silver.tenants(tx, after, MOST_TENANTS).all()
        yield from page
        after = page[-1] if page else None


def _check(database: Database, tenant_id: str, since: date | None) -> Check:
    held, after = _Held(), _FIRST
    while True:
        with database.snapshot() as tx:
            tx.look_up_by_index()
            page = silver.standing(tx, tenant_id, after, since, _PAGE).all()
            if not page:
                return held.check()
            _hold(tx, tenant_id, page, held)
        after = (page[-1].transaction_id, page[-1].revision)


def _hold(tx: Tx, tenant_id: str, page: Sequence[Standing], held: _Held) -> None:
    """Hold a page against its bodies. Arrivals that are not there are another check's."""
    of_raw: dict[str, list[Standing]] = {}
    for one in page:
        of_raw.setdefault(one.raw_id, []).append(one)
    raw_ids = sorted(of_raw)
    patches = {str(row.raw_id): row.patch for row in quarantine.decisions(tx, tenant_id, raw_ids).all()}
    settings = tenants.book_settings(tx, tenant_id).one()
    altered = set(bronze.altered(tx, tenant_id, raw_ids).all())
    redacted = set(audit.redacted(tx, tenant_id, [UUID(one) for one in altered]).all())
    while raw_ids:
        bodies = bronze.bodies(tx, tenant_id, raw_ids, _MOST_BYTES).all()
        made = [(body, one) for body in bodies for one in of_raw[body.raw_id]]
        goods = _goods(tx, tenant_id, [one for _, one in made])
        for body, one in made:
            if body.body == REDACTION and body.raw_id in redacted:
                held.redacted += 1
            elif body.raw_id in altered:
                held.add(one, ["its body is not what arrived, and no redaction of it is on record"])
            else:
                accepted = Accepted(body, patches.get(body.raw_id))
                held.add(one, _off(one, goods[one.transaction_id, one.revision], accepted, tenant_id, settings))
        raw_ids = [raw_id for raw_id in raw_ids if bodies and raw_id > bodies[-1].raw_id]


def _goods(tx: Tx, tenant_id: str, made: Sequence[Standing]) -> Mapping[Revision, Sequence[_Goods]]:
    """What the lines of these postings are of, in any order."""
    found: dict[Revision, list[_Goods]] = {(one.transaction_id, one.revision): [] for one in made}
    for line in silver.lines(tx, tenant_id, list(found)).all():
        found[str(line.transaction_id), line.revision].append((line.sku, line.quantity, line.amount))
    return found


def _off(
    standing: Standing, goods: Sequence[_Goods], accepted: Accepted, tenant_id: str, settings: BookSettings
) -> Sequence[str]:
    """What is off of a posting, in words."""
    try:
        said = candidate(accepted, typed(accepted, tenant_id), settings, {})
        return [*_differences(standing, said), *_other_goods(goods, said)]
    except Exception as error:  # noqa: BLE001 - a row that was damaged may raise anything, and the others are read yet
        return [f"its body, or the patch over it, cannot be read ({type(error).__name__})"]


def _differences(standing: Standing, said: Candidate) -> Iterator[str]:
    """What the books say otherwise than the body, in words: books / body."""
    for name, value in _said(said, standing).items():
        if getattr(standing, name) != value:
            yield f"{name} {getattr(standing, name)} / {value}"


def _other_goods(goods: Sequence[_Goods], said: Candidate) -> Iterator[str]:
    """The first line that is not among those of the body. Their numbers are left out: posting gives some of them."""
    if said.contract.effect == "undoes":
        return
    of_body = [(line.sku, line.qty, line.amount) for line in said.event.line_items]
    for ours, theirs in zip_longest(sorted(goods), sorted(of_body)):
        if ours != theirs:
            yield f"line {_in_words(ours)} / {_in_words(theirs)}"
            return


def _in_words(goods: _Goods | None) -> str:
    return "none" if goods is None else "{1} of {0!r} for {2}".format(*goods)


def _said(one: Candidate, standing: Standing) -> Mapping[str, object]:
    """What a posting must say of itself, by its body: a correction is of the name and type of what it corrects.

    A body that names no currency has one by the settings of then, which it does not tell.
    """
    facts: dict[str, object] = {"event_id": one.event_id, "event_type": one.contract.name}
    facts |= {"occurred_at": one.event.occurred_at}
    if one.contract.effect == "undoes":
        return facts | {"lines": 0}  # it posts nothing
    is_new = one.contract.effect == "originates"
    name = (one.event.store_id, one.event.txn_id) if is_new else original_name(one)
    facts |= dict(zip(("store_id", "txn_id"), name or ("", ""), strict=True))
    facts |= {"type": one.contract.name if is_new else standing.type}
    facts |= {} if one.event.currency is None else {"currency": one.event.currency}
    of = sums(one.event, one.coins)
    return facts | {"lines": len(one.event.line_items)} | {measure: getattr(of, measure) for measure in _MEASURES}
