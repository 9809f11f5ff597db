"""What attacked clients send: first arrivals, retries in several spellings, conflicts, faulty and unusable events."""

from collections import deque
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Any

import orjson

from tests.events import sale

_RECENT = 40
_FAULTS: tuple[dict[str, Any], ...] = ({"total_amount": 1}, {"event_type": "GIFT"}, {"currency": "XXQ"})


@dataclass(frozen=True, slots=True)
class Event:
    """One event on its way. `event_id` is None where the door must refuse it."""

    tenant: str
    event_id: str | None
    body: bytes


class Traffic:
    """An endless, seeded mixture over a few tenants. Recent keys come again and again, so that processes meet on them.

    `batches`: the share of requests that carry many events. `amends`: the share of events that are about an earlier
    transaction (posted or not, perhaps never), which only the books can judge.
    """

    def __init__(
        self, seed: int, tenants: list[str], prefix: str, *, batches: float = 0.1, amends: float = 0.0
    ) -> None:
        self._random = Random(seed)  # noqa: S311 - an attack must be repeatable
        self._tenants = tenants
        self._prefix = prefix
        self._batches = batches
        self._amends = amends
        self._number = 0
        self._recent: deque[tuple[str, str, dict[str, Any]]] = deque(maxlen=_RECENT)
        self._lock = Lock()

    def request(self) -> list[Event]:
        """The events of one request."""
        with self._lock:
            many = self._random.random() < self._batches
            return [self._event() for _ in range(self._random.randint(20, 80) if many else 1)]

    def faulty(self, number: int) -> list[Event]:
        """First arrivals that are parked, for operators to decide on."""
        with self._lock:
            return [self._first({"total_amount": 1}) for _ in range(number)]

    def _event(self) -> Event:
        if self._recent and self._random.random() < self._amends:
            return self._amending()
        kind = self._random.random()
        if kind < 0.40 or not self._recent:
            return self._first({})
        if kind < 0.50:
            return self._first(self._random.choice(_FAULTS))
        if kind < 0.80:
            return self._retry()
        if kind < 0.95:
            return self._conflict()
        return self._unusable()

    def _first(self, changes: dict[str, Any]) -> Event:
        self._number += 1
        tenant, event_id = self._random.choice(self._tenants), f"{self._prefix}-{self._number}"
        return self._remembered(tenant, event_id, sale(tenant, event_id, **changes))

    def _amending(self) -> Event:
        """A return, correction or cancellation of something recent."""
        self._number += 1
        tenant, _, of = self._random.choice(self._recent)
        event_id = f"{self._prefix}-{self._number}"
        kind = self._random.choice(("RETURN", "RETURN", "CORRECTION", "VOID", "CANCEL"))
        changes: dict[str, Any] = {"event_type": kind, "original_txn_id": of["txn_id"]}
        if kind in ("VOID", "CANCEL"):
            changes |= {"line_items": None, "total_amount": None}
        else:
            lines = of.get("line_items", [{"sku": "SKU-AAA", "qty": 1, "amount": 30.0}])[:1]
            changes |= {"line_items": lines, "total_amount": sum(line["amount"] for line in lines)}
        return self._remembered(tenant, event_id, sale(tenant, event_id, **changes))

    def _retry(self) -> Event:
        tenant, event_id, payload = self._random.choice(self._recent)
        return Event(tenant, event_id, self._spelt(payload))

    def _conflict(self) -> Event:
        tenant, event_id, _ = self._random.choice(self._recent)
        changes = self._random.choice(({"total_amount": 1}, {"register_id": f"r{self._random.randint(1, 3)}"}))
        return self._remembered(tenant, event_id, sale(tenant, event_id, **changes))

    def _unusable(self) -> Event:
        self._number += 1
        tenant = self._random.choice(self._tenants)
        nameless = sale(tenant, f"{self._prefix}-{self._number}")
        del nameless["event_id"]
        return Event(tenant, None, orjson.dumps(nameless))

    def _remembered(self, tenant: str, event_id: str, payload: dict[str, Any]) -> Event:
        self._recent.append((tenant, event_id, payload))
        return Event(tenant, event_id, orjson.dumps(payload))

    def _spelt(self, payload: dict[str, Any]) -> bytes:
        """The same payload in other bytes, or in the same."""
        members = list(payload.items())
        if self._random.random() < 0.5:
            self._random.shuffle(members)
        body = orjson.dumps(dict(members))
        return body.replace(b":42.5,", b": 42.50 ,") if self._random.random() < 0.5 else body
