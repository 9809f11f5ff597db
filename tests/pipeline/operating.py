"""What operators do in tests of the core, and an independent model of what must become of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.resolve import Operator, Result, Wish, resolve
from ledgersafe.pipeline.verify import verify
from ledgersafe.quarantine.store import Action
from ledgersafe.tenants.rules import SCOPES, Credential
from tests.events import sale

IGNORE: Action = "mark_resolved_no_replay"
REPLAY: Action = "override_and_replay"
MENDS: dict[str, Any] = {"total_amount": 42.5}
SPOILS: dict[str, Any] = {"total_amount": 1, "currency": "XXY"}
COUNTS = """
SELECT idempotency_key, raw_id FROM gate.to_post WHERE tenant_id = %(tenant)s
UNION ALL
SELECT event_id, raw_id FROM silver.transactions t
WHERE tenant_id = %(tenant)s AND kind = 'posting' AND NOT EXISTS (
  SELECT FROM silver.transactions r
  WHERE (r.tenant_id, r.transaction_id, r.revision) = (t.tenant_id, t.transaction_id, t.revision) AND r.kind = 'reversal')
"""
"""Keys with the arrival that counts, as far as posting goes: it is on the work list, or posted and not taken back."""


def operator(*tenants: str, actor: str = "key:operator") -> Operator:
    """Somebody who decides now; without tenants, for all."""
    return Operator(Credential(actor, "operator", tenants or None, frozenset(SCOPES)), datetime.now(UTC), 600)


def wish(action: Action = REPLAY, notes: str = "because", **options: Any) -> Wish:
    """A decision with notes."""
    return Wish(action, notes, **options)


def refusal_of(database: Database, exception_id: UUID | str, wanted: Wish, by: Operator | None = None) -> str:
    """The reason code with which a decision is refused, or '' where it is not."""
    try:
        decided(database, exception_id, wanted, by)
    except RequestRefused as refusal:
        return refusal.reason.code
    return ""


def decided(database: Database, exception_id: UUID | str, wanted: Wish, by: Operator | None = None) -> Result:
    """What became of an exception."""
    return resolve(database, UUID(str(exception_id)), wanted, by or operator())


def failed_checks(database: Database, tenant: str) -> list[str]:
    """The checks of a tenant that do not hold."""
    found = verify(database, tenant)
    assert found, "a tenant that sent something is verified"
    return [check.name for checks in found for check in checks.checks if not check.ok]


def payload(tenant: str, key: str, name: str) -> dict[str, Any]:
    """The payload of a key by its name: 'good…' keeps the contract, 'bad…' does not."""
    changes = {"total_amount": 99} if name.startswith("bad") else {}
    return sale(tenant, key, register_id=name, **changes)


@dataclass(slots=True)
class Held:
    """An exception as the model has it, its payloads by their names."""

    reason: str
    opened_by: str
    last: str
    arrivals: int = 1
    attempts: int = 0
    replay: str | None = None
    resolution: str | None = None
    chosen: str | None = None
    patch: dict[str, Any] | None = None


@dataclass(slots=True)
class KeyModel:
    """All that can be known of one key: its payloads in the order they came, and what was decided of each."""

    status: str = ""
    arrivals: int = 0
    payloads: dict[str, str] = field(default_factory=dict[str, str])
    exceptions: list[Held] = field(default_factory=list[Held])

    def open(self) -> Held | None:
        return next((held for held in self.exceptions if held.resolution is None), None)

    def accepted(self) -> list[str]:
        return [name for name, decision in self.payloads.items() if decision.endswith("accepted")]

    def named(self, which: str) -> str | None:
        """A payload by what it is to the key; None where the key has no such one."""
        known = list(self.payloads)
        held = self.open()
        if which == "last":
            return held.last if held else None
        if which == "superseded":
            return next((name for name in known if self.payloads[name] == "superseded"), None)
        place = {"first": 0, "second": 1, "newest": -1}[which]
        return known[place] if place < len(known) else None

    def arrive(self, name: str) -> tuple[int, str, str | None]:
        """(status, result, reason code) of one arrival."""
        self.arrivals += 1
        held = self.open()
        if name in self.payloads:
            decision = self.payloads[name]
            if decision != "open":
                return (200, "ignored", "IGNORED_BY_OPERATOR") if decision == "ignored" else (200, "duplicate", None)
            assert held is not None
            held.arrivals += 1
            return (202, "quarantined", "ALREADY_QUARANTINED")
        if not self.payloads and name.startswith("good"):
            self.payloads[name], self.status = "accepted", "processed"
            return (201, "processed", None)
        reason = "IDEMPOTENCY_CONFLICT" if self.payloads else "TOTALS_MISMATCH"
        self.payloads[name], self.status = "open", "quarantined"
        if held is None:
            self.exceptions.append(Held(reason, name, name))
        else:
            held.arrivals, held.last = held.arrivals + 1, name
        return (202, "quarantined", reason)

    def ignore(self) -> str:
        """The reason code of a refusal, or ''."""
        held = self.open()
        if held is None:
            return "ALREADY_RESOLVED"
        self.status = "processed" if self.accepted() else "ignored"
        for name in [name for name, decision in self.payloads.items() if decision == "open"]:
            self.payloads[name] = "superseded" if self.accepted() else "ignored"
        held.resolution = "dismissed" if self.accepted() else "ignored"
        return ""

    def replay(self, name: str | None, patch: dict[str, Any] | None) -> str:
        """The same; `name` is None where the operator chose none."""
        held = self.open()
        if held is None:
            return "ALREADY_RESOLVED"
        if name is None and len(self.payloads) > 1:
            return "INVALID_PARAMETER"
        chosen = name or next(iter(self.payloads))
        held.attempts += 1
        if patch == SPOILS or (patch is None and chosen.startswith("bad")):
            held.replay = "refused"
            return "REPLAY_REFUSED"
        for other in self.payloads:
            self.payloads[other] = "superseded"
        self.payloads[chosen] = "accepted" if patch is None else "patched-accepted"
        self.status, held.replay, held.resolution = "processed", "accepted", "replayed"
        held.chosen, held.patch = chosen, patch
        return ""
