"""verify --bodies: what stands in the books, held against the bodies that it was made of, as posting reads them.

A page of postings, with their bodies and what operators decided of them, is one snapshot: bodies never change, so that
pages need not be of one moment, and memory and transactions stay small however long the books are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from ledgersafe.bronze import store as bronze
from ledgersafe.contracts.posting import sums
from ledgersafe.db.database import Database, Tx
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.candidate import Accepted, Candidate, candidate, typed
from ledgersafe.pipeline.give_back import original_name
from ledgersafe.pipeline.verify import MOST_TENANTS, NAMED, Check, TenantChecks, named, require_tenant
from ledgersafe.quarantine import store as quarantine
from ledgersafe.silver import store as silver
from ledgersafe.silver.store import Revision, Standing
from ledgersafe.tenants import store as tenants

_PAGE = 1_000
_MOST_BYTES = 4 * 2**20
_FIRST: Revision = ("00000000-0000-0000-0000-000000000000", 0)
_MEASURES = ("units", "gross", "discount", "tax", "included_tax", "total")
"""How a difference was split into rounding and the rest is left out: that is by the rules of the day it was posted."""


@dataclass(slots=True)
class _Held:
    """How many postings were held against their bodies, what is off of them, and how many bodies could not be read."""

    compared: int = 0
    off: int = 0
    examples: list[str] = field(default_factory=list[str])
    unread: int = 0

    def add(self, one: Standing, differences: Sequence[str]) -> None:
        self.compared += 1
        if differences:
            self.off += 1
            if len(self.examples) < NAMED:
                self.examples.append(f"{one.transaction_id} revision {one.revision}: {', '.join(differences)}")

    def check(self) -> Check:
        details = "postings that stand = those of which their body, and the patch over it, says the same"
        if self.unread:
            details += f"; {self.unread} more cannot be read: redacted, or of a contract that has changed since"
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
    while raw_ids:
        bodies = bronze.bodies(tx, tenant_id, raw_ids, _MOST_BYTES).all()
        for accepted in (Accepted(body, patches.get(body.raw_id)) for body in bodies):
            event, made = _event(accepted, tenant_id), of_raw[accepted.stored.raw_id]
            if event is None:
                held.unread += len(made)
                continue
            said = candidate(accepted, event, settings, {})
            for standing in made:
                held.add(standing, list(_differences(standing, said)))
        raw_ids = [raw_id for raw_id in raw_ids if bodies and raw_id > bodies[-1].raw_id]


def _event(accepted: Accepted, tenant_id: str) -> Any | None:
    """The event of a body, as it was posted; None where it cannot be read any more."""
    try:
        return typed(accepted, tenant_id)
    except (RequestRefused, msgspec.ValidationError, KeyError):
        return None


def _differences(standing: Standing, said: Candidate) -> Iterator[str]:
    """What the books say otherwise than the body, in words: books / body."""
    for name, value in _said(said, standing).items():
        if getattr(standing, name) != value:
            yield f"{name} {getattr(standing, name)} / {value}"


def _said(one: Candidate, standing: Standing) -> Mapping[str, object]:
    """What a posting must say of itself, by its body: a correction is of the name and type of what it corrects.

    A body that names no currency has one by the settings of then, which it does not tell.
    """
    facts: dict[str, object] = {"event_id": one.event_id, "event_type": one.contract.name}
    if one.contract.effect == "undoes":
        return facts | {"lines": 0}  # it posts nothing
    is_new = one.contract.effect == "originates"
    name = (one.event.store_id, one.event.txn_id) if is_new else original_name(one)
    facts |= dict(zip(("store_id", "txn_id"), name or ("", ""), strict=True))
    facts |= {"type": one.contract.name if is_new else standing.type}
    facts |= {} if one.event.currency is None else {"currency": one.event.currency}
    of = sums(one.event, one.coins)
    return facts | {"lines": len(one.event.line_items)} | {measure: getattr(of, measure) for measure in _MEASURES}
