"""Operators, arrivals and bulk runs that meet on the same keys: one of them wins, and nothing is lost or done twice."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from ledgersafe.db.database import Database
from ledgersafe.pipeline import bulk
from ledgersafe.quarantine.store import Filter, RunName
from tests.api.answers import rows, told
from tests.conftest import Api, TestDatabase
from tests.events import sale
from tests.pipeline.operating import COUNTS, IGNORE, MENDS, REPLAY, failed_checks, operator, wish

ROUNDS = 200 if os.environ.get("FULL") == "1" else 20
FEW = 4
LETTING_GO = {"action": IGNORE, "resolution_notes": "let go"}
MENDING = {"action": REPLAY, "resolution_notes": "mended", "canonical_raw_id": "first", "override_patch": MENDS}


class Office:
    """Two API processes on one database, with clients to both, and hands to work at once."""

    def __init__(self, apis: list[Api], database: Database) -> None:
        self.of, self.database = apis[0].database, database
        self.clients = [api.client(apis[0].key) for api in apis]
        self.hands = ThreadPoolExecutor(16)

    def at_once(self, *calls: Callable[[], Any]) -> list[Any]:
        return [future.result() for future in [self.hands.submit(call) for call in calls]]

    def send(self, event: dict[str, Any], process: int = 0) -> httpx.Response:
        return self.clients[process].post("/v1/events", json=event)

    def parked(self, tenant: str, name: str) -> str:
        response = self.send(sale(tenant, name, total_amount=99))
        assert told(response) == (202, "quarantined", "TOTALS_MISMATCH")
        return response.json()["exception_id"]

    def resolve(self, exception_id: str, wanted: dict[str, Any], process: int = 0) -> httpx.Response:
        return self.clients[process].post(f"/v1/exceptions/{exception_id}/resolve", json=wanted)

    def check(self, tenant: str) -> None:
        """Nothing lost, nothing twice: exactly one audit row a closed exception, one state and one exception a key."""
        closed = "SELECT exception_id::text FROM quarantine.exceptions WHERE tenant_id = %s AND status = 'resolved'"
        audited = "SELECT object_id FROM audit.audit_log WHERE tenant_id = %s AND action = 'exception.resolved'"
        assert Counter(rows(self.of, audited, [tenant])) == Counter(rows(self.of, closed, [tenant]))
        twice = """
        SELECT idempotency_key FROM quarantine.exceptions WHERE tenant_id = %s AND status = 'open'
        GROUP BY 1 HAVING count(*) > 1
        """
        assert rows(self.of, twice, [tenant]) == []
        odd = """
        SELECT k.idempotency_key, k.status, array_agg(p.decision) FROM gate.events_processed k
        JOIN gate.payloads p USING (tenant_id, idempotency_key) WHERE tenant_id = %s GROUP BY 1, 2
        HAVING count(*) FILTER (WHERE p.decision IN ('accepted', 'patched-accepted')) <> (k.status <> 'ignored'
               AND bool_or(p.decision IN ('accepted', 'patched-accepted')))::int
            OR (k.status = 'quarantined') <> bool_or(p.decision = 'open')
            OR (k.status = 'ignored') <> bool_and(p.decision = 'ignored')
        """
        assert rows(self.of, odd, [tenant]) == []
        counting = """
        SELECT idempotency_key, raw_id FROM gate.payloads
        WHERE tenant_id = %s AND decision IN ('accepted', 'patched-accepted')
        """
        assert Counter(rows(self.of, COUNTS, {"tenant": tenant})) == Counter(rows(self.of, counting, [tenant]))
        assert failed_checks(self.database, tenant) == []


@pytest.fixture(scope="module")
def office(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase]) -> Iterator[Office]:
    """One for all scenes, which keep to tenants of their own."""
    of = new_database()
    database = of.open(size=8)
    made = Office([start_api(of), start_api(of)], database)
    yield made
    made.hands.shutdown()
    for client in made.clients:
        client.close()
    database.close()


def two_operators(office: Office, tenant: str, rounds: int) -> None:
    for number in range(rounds):
        held = office.parked(tenant, f"e{number}")
        answers = office.at_once(
            *(partial(office.resolve, held, [LETTING_GO, MENDING][at % 2], at // 2) for at in range(4))
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 3}
        codes = {answer.json()["reason_code"] for answer in answers if answer.status_code == 409}
        assert codes == {"ALREADY_RESOLVED"}
        (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
        stored = office.clients[0].get(f"/v1/exceptions/{held}").json()
        assert stored["exception"]["resolution"] == winner["resolution"]
        assert stored["events_processed"]["status"] == winner["key_status"]


def an_arrival_and_a_decision(office: Office, tenant: str, rounds: int) -> None:
    """Whoever comes second sees what the first did: the payload joins, or opens an exception of its own."""
    seen: Counter[str] = Counter()
    for number in range(rounds):
        name = f"e{number}"
        held = office.parked(tenant, name)
        first = office.clients[0].get(f"/v1/exceptions/{held}").json()["exception"]["raw_id"]
        wanted = [LETTING_GO, MENDING, LETTING_GO | {"expected_last_raw_id": first}][number % 3]
        arrival, decision = office.at_once(
            partial(office.send, sale(tenant, name), 1), partial(office.resolve, held, wanted)
        )
        assert told(arrival) == (202, "quarantined", "IDEMPOTENCY_CONFLICT")
        key = rows(
            office.of,
            "SELECT status FROM gate.events_processed WHERE idempotency_key = %s AND tenant_id = %s",
            [name, tenant],
        )
        if decision.status_code == 409:
            assert decision.json()["reason_code"] == "EXCEPTION_CHANGED"
            outcome = "changed"
        else:
            assert decision.status_code == 200, decision.text
            outcome = "opened anew" if arrival.json()["exception_id"] != held else "decided together"
        assert key == [("quarantined" if outcome != "decided together" else decision.json()["key_status"],)]
        seen[outcome] += 1
    assert sum(seen.values()) == rounds


def many_operators_and_a_run(office: Office, tenant: str, rounds: int) -> None:
    for number in range(rounds):
        ids = [office.parked(tenant, f"e{number}-{at}") for at in range(24)]
        chosen = Filter(tenant_ids=[tenant], status="open")
        run = bulk.start(office.database, tenant, chosen, wish(canonical="first", patch=MENDS), operator(), 3)
        name = RunName(tenant, run.run_id)

        def work(name: RunName = name) -> None:
            while bulk.work_off(office.database, name, datetime.now(UTC), 600):
                pass

        singles = [partial(office.resolve, one, LETTING_GO, at % 2) for at, one in enumerate(ids[::2])]
        retries = [partial(office.send, sale(tenant, f"e{number}-{at}", total_amount=99)) for at in range(0, 24, 5)]
        answers = office.at_once(*singles[:6], work, work, *retries, *singles[6:])
        statuses = Counter(answer.status_code for answer in answers if isinstance(answer, httpx.Response))
        assert max(statuses) < 500, statuses
        work()  # a worker that found the run taken went away; what is left is worked off
        ended = bulk.find(office.database, operator().credential, run.run_id)
        assert ended.status == "finished"
        by_hand = sum(answer.status_code == 200 for answer in answers if answer and "resolve" in str(answer.url))
        assert (ended.resolved + by_hand, ended.refused, ended.skipped) == (24, 0, by_hand)


SCENES = [two_operators, an_arrival_and_a_decision, many_operators_and_a_run]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_operators_at_once(office: Office, tenant: str, scene: Callable[[Office, str, int], None]) -> None:
    scene(office, tenant, FEW)
    office.check(tenant)


@pytest.mark.attack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_operators_at_once_many_rounds(office: Office, tenant: str, scene: Callable[[Office, str, int], None]) -> None:
    scene(office, tenant, ROUNDS)
    office.check(tenant)
