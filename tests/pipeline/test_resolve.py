"""Every state of a key × every arrival × every decision, on a real database, against an independent model."""

from collections import Counter
from copy import deepcopy
from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.preview import preview
from ledgersafe.pipeline.resolve import Result, Wish, resolve
from tests.pipeline.arrivals import accepted
from tests.pipeline.operating import (
    COUNTS,
    IGNORE,
    MENDS,
    REPLAY,
    SPOILS,
    Held,
    KeyModel,
    failed_checks,
    operator,
    payload,
    wish,
)

Step = tuple[str, Any]
"""('arrive', a payload's name) or ('decide', one of DECISIONS)."""

DECISIONS: dict[str, tuple[str, str | None, dict[str, Any] | None]] = {
    "ignore": (IGNORE, None, None),
    "choose none": (REPLAY, None, None),
    "choose first": (REPLAY, "first", None),
    "choose last": (REPLAY, "last", None),
    "choose the second's raw_id": (REPLAY, "second", None),
    "choose a superseded raw_id": (REPLAY, "superseded", None),
    "mend none": (REPLAY, None, MENDS),
    "mend first": (REPLAY, "first", MENDS),
    "mend last": (REPLAY, "last", MENDS),
    "spoil last": (REPLAY, "last", SPOILS),
}
ARRIVALS = ("nothing", "same as first", "known other", "superseded", "new valid", "new faulty")
STATES: dict[str, list[Step]] = {
    "new": [],
    "accepted": [("arrive", "good1")],
    "held first": [("arrive", "bad1")],
    "accepted, then a conflict": [("arrive", "good1"), ("arrive", "good2")],
    "accepted, then a faulty conflict": [("arrive", "good1"), ("arrive", "bad2")],
    "held with two payloads": [("arrive", "bad1"), ("arrive", "good2")],
    "held with three payloads": [("arrive", "bad1"), ("arrive", "bad2"), ("arrive", "good3")],
    "held, and a replay refused": [("arrive", "bad1"), ("decide", "choose first")],
    "ignored": [("arrive", "bad1"), ("decide", "ignore")],
    "ignored, then a conflict": [("arrive", "bad1"), ("decide", "ignore"), ("arrive", "good2")],
    "dismissed": [("arrive", "good1"), ("arrive", "good2"), ("decide", "ignore")],
    "dismissed, then a conflict": [
        *[("arrive", "good1"), ("arrive", "good2"), ("decide", "ignore")],
        ("arrive", "good3"),
    ],
    "first replayed": [("arrive", "good1"), ("arrive", "bad2"), ("decide", "choose first")],
    "last replayed": [("arrive", "bad1"), ("arrive", "good2"), ("decide", "choose last")],
    "last replayed, then a conflict": [
        *[("arrive", "good1"), ("arrive", "good2"), ("decide", "choose last")],
        ("arrive", "bad3"),
    ],
    "second of three replayed": [
        *[("arrive", "bad1"), ("arrive", "good2"), ("arrive", "good3")],
        ("decide", "choose the second's raw_id"),
    ],
    "patched": [("arrive", "bad1"), ("decide", "mend none")],
    "patched, then a conflict": [("arrive", "bad1"), ("decide", "mend first"), ("arrive", "good2")],
    "ignored, then another chosen": [
        *[("arrive", "bad1"), ("decide", "ignore"), ("arrive", "good2")],
        ("decide", "choose last"),
    ],
}
KEYS = """
SELECT idempotency_key, status, arrivals, processed_at IS NOT NULL, last_exception_id, last_error_code
FROM gate.events_processed WHERE tenant_id = %s
"""
PAYLOADS = "SELECT idempotency_key, raw_id, decision FROM gate.payloads WHERE tenant_id = %s"
EXCEPTIONS = """
SELECT idempotency_key, exception_id, reason_code, raw_id, last_raw_id, arrivals, replay_attempts, last_replay_status,
       resolution, canonical_raw_id, override_patch, status, resolution_actor, last_replay_at IS NOT NULL
FROM quarantine.exceptions WHERE tenant_id = %s ORDER BY created_at, exception_id
"""
COUNTERS = """
SELECT sum(events_raw), sum(processed), sum(quarantined), sum(ignored), sum(exceptions_open)
FROM gate.counters WHERE tenant_id = %s
"""
AUDIT = "SELECT action, count(*) FROM audit.audit_log WHERE tenant_id = %s AND object_type = 'exception' GROUP BY 1"
EVERYTHING = ("gate.events_processed", "gate.other_payloads", "gate.source_events", "gate.to_post", "gate.counters")
EVERYTHING += ("quarantine.exceptions", "audit.audit_log", "bronze.events_raw", "silver.transactions", "ledger.entries")
EVERYTHING += ("silver.heads", "silver.batches", "ledger.periods", "ledger.accounts")

HELD_FIELDS = [field.name for field in fields(Held)]


class Table:
    """Many keys of one tenant, each with its model, taken through their steps side by side."""

    def __init__(self, db: Database, superuser: psycopg.Connection, tenant: str) -> None:
        self.db, self.superuser, self.tenant = db, superuser, tenant
        self.models: dict[str, KeyModel] = {}
        self.raws: dict[tuple[str, str], UUID] = {}
        self.audited: Counter[str] = Counter()

    def arrive(self, names: dict[str, str]) -> None:
        """One arrival for each of these keys, in one batch."""
        events = [payload(self.tenant, key, name) for key, name in names.items()]
        outcomes = accepted(self.db, events) if events else []
        for (key, name), outcome in zip(names.items(), outcomes, strict=True):
            model, is_new = self.models[key], name not in self.models[key].payloads
            had = len(model.exceptions)
            expected = model.arrive(name)
            reason = outcome.reason.code if outcome.reason else None
            assert (outcome.status, outcome.result, reason) == expected, (key, name)
            assert outcome.superseded == (model.payloads[name] == "superseded"), (key, name)
            assert (outcome.exception_id is None) == (outcome.result != "quarantined")
            if is_new:
                self.raws[key, name] = UUID(outcome.raw_id)
                self.audited["exception.opened"] += len(model.exceptions) - had
                joined = model.payloads[name] == "open" and len(model.exceptions) == had
                self.audited["exception.payload_added"] += joined

    def decide_all(self, decisions: dict[str, str], *, dry_run: bool = False) -> None:
        """One decision for each of these keys, on its latest exception."""
        latest = {row[0]: row[1] for row in self.superuser.execute(EXCEPTIONS, [self.tenant])}
        for key, decision in decisions.items():
            self.decide(key, latest[key], decision, dry_run=dry_run)

    def decide(self, key: str, exception_id: UUID, decision: str, *, dry_run: bool) -> None:
        """A dry run tells the same as the decision, and the model stays as it was."""
        model = deepcopy(self.models[key])
        action, which, patch = DECISIONS[decision]
        name = None if which is None else model.named(which)
        canonical = which if which in ("first", "last") else self.raws[key, name] if name else None
        code = model.ignore() if action == IGNORE else model.replay(name, patch)
        code_given, result = self.tried(exception_id, wish(action, canonical=canonical, patch=patch), dry_run=dry_run)
        assert code_given == code, key
        if result is not None and result.closed is not None:
            assert (result.key_status, result.closed.resolution) == (model.status, model.exceptions[-1].resolution), key
        if not dry_run:
            self.models[key] = model
            self.audited["exception.resolved"] += code == ""
            self.audited["exception.replay_refused"] += code == "REPLAY_REFUSED"

    def tried(self, exception_id: UUID, wanted: Wish, *, dry_run: bool) -> tuple[str, Result | None]:
        """(the reason code of a refusal or '', what became of it)."""
        try:
            if dry_run:
                return "", preview(self.db, exception_id, wanted, operator()).result
            return "", resolve(self.db, exception_id, wanted, operator())
        except RequestRefused as refusal:
            return refusal.reason.code, None

    def compare(self) -> None:
        """The tables say what the models say."""
        statuses, payloads, counts, exceptions = self.stored()
        for key, model in self.models.items():
            if not model.payloads:
                continue
            latest = model.exceptions[-1] if model.exceptions else None
            assert statuses[key] == (model.status, model.arrivals, latest and latest.reason), key
            assert payloads[key] == model.payloads, key
            assert counts.get(key, []) == model.accepted(), key
            assert len(model.accepted()) <= 1
            assert exceptions.get(key, []) == [asdict(held) for held in model.exceptions], key
        seen = [model for model in self.models.values() if model.payloads]
        by_status = Counter(model.status for model in seen)
        held = sum(model.open() is not None for model in seen)
        arrivals = sum(model.arrivals for model in seen)
        expected = (arrivals, by_status["processed"], by_status["quarantined"], by_status["ignored"], held)
        assert self.superuser.execute(COUNTERS, [self.tenant]).fetchone() == (expected if seen else (None,) * 5)
        assert dict(self.superuser.execute(AUDIT, [self.tenant]).fetchall()) == dict(+self.audited)
        assert not seen or failed_checks(self.db, self.tenant) == []

    def stored(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
        """By key: (status, arrivals, last reason), decisions by payload, what is posted or will be, exceptions."""
        name_of = {(key, raw_id): name for (key, name), raw_id in self.raws.items()}
        ask = self.superuser.execute
        statuses: dict[str, Any] = {}
        payloads: dict[str, dict[str, str]] = {}
        counts: dict[str, list[str]] = {}
        exceptions: dict[str, list[dict[str, Any]]] = {}
        open_ids: dict[str, UUID] = {}
        for key, raw_id, decision in ask(PAYLOADS, [self.tenant]):
            payloads.setdefault(key, {})[name_of[key, raw_id]] = decision
        for key, raw_id in ask(COUNTS, {"tenant": self.tenant}):
            counts.setdefault(key, []).append(name_of[key, raw_id])
        for row in ask(EXCEPTIONS, [self.tenant]):
            key, chosen = row[0], row[9] and name_of[row[0], row[9]]
            told = (row[2], name_of[key, row[3]], name_of[key, row[4]], row[5], row[6], row[7], row[8], chosen, row[10])
            exceptions.setdefault(key, []).append(dict(zip(HELD_FIELDS, told, strict=True)))
            assert (row[11] == "open", row[12] is None, row[13]) == (row[8] is None, row[8] is None, row[6] > 0), key
            open_ids |= {key: row[1]} if row[11] == "open" else {}
        for key, status, arrivals, was_accepted, last_exception_id, last_reason in ask(KEYS, [self.tenant]):
            statuses[key] = (status, arrivals, last_reason)
            replayed = any(one["resolution"] == "replayed" for one in exceptions.get(key, []))
            born_good = next(iter(self.models[key].payloads)).startswith("good")
            assert was_accepted == (replayed or born_good), key
            assert open_ids.get(key, last_exception_id) == last_exception_id, key
        return statuses, payloads, counts, exceptions

    def everything(self) -> list[Any]:
        """Every row of the tenant."""
        asked = (f"SELECT t::text FROM {table} t WHERE tenant_id = %s ORDER BY 1" for table in EVERYTHING)
        return [self.superuser.execute(sql, [self.tenant]).fetchall() for sql in asked]


def arrival_named(model: KeyModel, arrival: str) -> str | None:
    """The payload that arrives; None where the key has no such one."""
    if arrival in ("new valid", "new faulty"):
        return "good9" if arrival == "new valid" else "bad9"
    if not model.payloads:
        return None
    if arrival == "known other":
        return model.named("newest") if len(model.payloads) > 1 else None
    return model.named("first" if arrival == "same as first" else "superseded")


@pytest.mark.parametrize("state", STATES)
def test_every_arrival_and_every_decision(db: Database, superuser: psycopg.Connection, tenant: str, state: str) -> None:
    table = Table(db, superuser, tenant)
    combinations = {f"{arrival} / {decision}": (arrival, decision) for arrival in ARRIVALS for decision in DECISIONS}
    table.models = {key: KeyModel() for key in combinations}
    for what, name in STATES[state]:
        step = table.arrive if what == "arrive" else table.decide_all
        step(dict.fromkeys(combinations, name))
        table.compare()
    arriving = {key: arrival_named(table.models[key], arrival) for key, (arrival, _) in combinations.items()}
    table.arrive({key: name for key, name in arriving.items() if name is not None})
    table.compare()
    decisions = {key: decision for key, (_, decision) in combinations.items() if table.models[key].exceptions}
    before = table.everything()
    table.decide_all(decisions, dry_run=True)
    assert table.everything() == before, "a dry run leaves nothing behind"
    table.decide_all(decisions)
    table.compare()
    # A decision already made is never asked again: every payload, sent once more, is answered from what is known.
    for place in range(4):
        again = {key: list(model.payloads)[place] for key, model in table.models.items() if len(model.payloads) > place}
        table.arrive(again)
    table.compare()
