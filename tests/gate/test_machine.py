"""accept against a ten-line model, on a real database, over any sequence of batches that hypothesis thinks of."""

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.rows import dict_row

from ledgersafe.db.database import Database
from ledgersafe.pipeline.accept import Outcome
from ledgersafe.pipeline.verify import Wanted, verify_page
from tests.conftest import TestDatabase
from tests.events import sale
from tests.pipeline.arrivals import accepted, told

_examples = itertools.count(1)

FACTS = """
SELECT (SELECT count(*) FROM bronze.events_raw WHERE tenant_id = t) AS arrivals,
       (SELECT coalesce(sum(arrivals), 0) FROM gate.events_processed WHERE tenant_id = t) AS arrivals_of_keys,
       (SELECT count(*) FROM gate.later_arrivals WHERE tenant_id = t)
         + (SELECT count(*) FROM gate.events_processed WHERE tenant_id = t) AS arrivals_that_a_trace_finds,
       (SELECT coalesce(sum(cardinality(ids)), 0) FROM bronze.batches WHERE tenant_id = t) AS arrivals_in_batches,
       (SELECT json_object_agg(idempotency_key, status) FROM gate.events_processed WHERE tenant_id = t) AS keys,
       (SELECT json_object_agg(idempotency_key, arrivals) FROM quarantine.exceptions
        WHERE tenant_id = t AND status = 'open') AS held,
       (SELECT count(*) FROM quarantine.exceptions WHERE tenant_id = t) AS exceptions,
       (SELECT count(*) FROM gate.payloads WHERE tenant_id = t) AS payloads,
       (SELECT array_agg(idempotency_key ORDER BY idempotency_key) FROM gate.to_post WHERE tenant_id = t) AS to_post,
       (SELECT row(sum(events_raw), sum(processed), sum(quarantined), sum(ignored), sum(exceptions_open))::text
        FROM gate.counters WHERE tenant_id = t) AS counters
FROM (SELECT %s::text AS t)
"""


class Model:
    """What one tenant's gate must say."""

    def __init__(self) -> None:
        self.payloads: dict[str, dict[Any, str]] = {}
        self.owners: dict[str, str] = {}
        self.held: dict[str, int] = {}
        self.arrivals = 0

    def arrive(self, key: str, variant: str, source: str | None) -> tuple[str, str | None]:
        """(result, reason code) of one arrival."""
        self.arrivals += 1
        known, payload = self.payloads.setdefault(key, {}), (variant, source)
        reason = "ALREADY_QUARANTINED" if known else None
        if not known and variant == "faulty":
            reason = "TOTALS_MISMATCH"
        elif not known and source and self.owners.setdefault(source, key) != key:
            reason = "DUPLICATE_SOURCE_EVENT_ID"
        elif known and payload not in known:
            reason = "IDEMPOTENCY_CONFLICT"
        elif known.get(payload) == "accepted":
            return ("duplicate", None)
        known.setdefault(payload, "held" if reason else "accepted")
        if reason:
            self.held[key] = self.held.get(key, 0) + 1
        return ("quarantined", reason) if reason else ("processed", None)


keys = st.sampled_from(["k1", "k2", "k3", "K1", "ключ"])
variants = st.sampled_from(["valid", "valid", "changed", "faulty"])
sources = st.sampled_from([None, None, "s1", "s2"])
arrivals = st.tuples(st.integers(0, 1), keys, variants, sources)


class Gate(RuleBasedStateMachine):
    """Two tenants of each example, who share nothing; any process may write."""

    database: Database
    connection: psycopg.Connection[dict[str, Any]]

    def __init__(self) -> None:
        super().__init__()
        number = next(_examples)
        self.tenants = [f"m{number}-a", f"m{number}-b"]
        self.models = [Model(), Model()]
        self.first: dict[tuple[str, str], Outcome] = {}
        self.exceptions: dict[tuple[str, str], str] = {}

    @rule(batch=st.lists(arrivals, min_size=1, max_size=8), slot=st.integers(0, 2))
    def accept_a_batch(self, batch: list[tuple[int, str, str, str | None]], slot: int) -> None:
        expected = [self.models[who].arrive(key, variant, source) for who, key, variant, source in batch]
        outcomes = accepted(self.database, [self.event(*arrival) for arrival in batch], slot=slot)
        assert told(outcomes) == expected
        for outcome, (who, key, _, _) in zip(outcomes, batch, strict=True):
            name = (self.tenants[who], key)
            assert (outcome.tenant_id, outcome.event_id) == name
            first = self.first.setdefault(name, outcome)
            assert outcome.first_raw_id == first.raw_id
            assert outcome.first_seen_at == first.first_seen_at
            if outcome.exception_id is not None:
                assert self.exceptions.setdefault(name, outcome.exception_id) == outcome.exception_id

    def event(self, who: int, key: str, variant: str, source: str | None) -> dict[str, Any]:
        total = {"valid": 42.5, "changed": 42.51, "faulty": 99}[variant]
        return sale(self.tenants[who], key, total_amount=total, source_event_id=source)

    @invariant()
    def the_tables_are_what_the_model_says(self) -> None:
        for tenant, model in zip(self.tenants, self.models, strict=True):
            facts = self.connection.execute(FACTS, [tenant]).fetchone()
            assert facts is not None
            statuses = {key: "quarantined" if key in model.held else "processed" for key in model.payloads}
            accepted_keys = sorted(key for key, known in model.payloads.items() if "accepted" in known.values())
            quarantined, processed = len(model.held), len(statuses) - len(model.held)
            counters = f"({model.arrivals},{processed},{quarantined},0,{quarantined})" if statuses else "(,,,,)"
            assert facts == {
                "arrivals": model.arrivals,
                "arrivals_of_keys": model.arrivals,
                "arrivals_that_a_trace_finds": model.arrivals,
                "arrivals_in_batches": model.arrivals,
                "keys": statuses or None,
                "held": model.held or None,
                "exceptions": quarantined,
                "payloads": sum(map(len, model.payloads.values())),
                "to_post": accepted_keys or None,
                "counters": counters,
            }
            found, _ = verify_page(self.database, Wanted(tenant, may_be_new=True))
            checks = [check for one in found for check in one.checks]
            assert [check.name for check in checks if not check.ok] == []


@pytest.fixture(scope="module")
def machine(new_database: Any) -> Iterator[type[Gate]]:
    """The machine, on a database of its own."""
    of: TestDatabase = new_database()
    Gate.database = of.open(size=2)
    with psycopg.connect(of.superuser_url, autocommit=True, row_factory=dict_row) as connection:
        Gate.connection = connection
        yield Gate
    Gate.database.close()


def test_the_gate_does_what_the_model_says(machine: type[Gate]) -> None:
    chosen = settings(max_examples=25, stateful_step_count=12, deadline=None, database=None)
    run_state_machine_as_test(machine, settings=chosen)


def test_the_model_can_be_wrong(machine: type[Gate], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that forgets conflicts is caught: the machine is no decoration."""
    honest = Model.arrive

    def forgetful(self: Model, key: str, variant: str, source: str | None) -> tuple[str, str | None]:
        result = honest(self, key, variant, source)
        return ("duplicate", None) if result[1] == "IDEMPOTENCY_CONFLICT" else result

    monkeypatch.setattr(Model, "arrive", forgetful)
    only_generate = [Phase.generate]  # shrinking would take a minute, and nobody reads what is found
    chosen = settings(max_examples=40, stateful_step_count=8, deadline=None, database=None, phases=only_generate)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=chosen)
