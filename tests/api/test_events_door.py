"""POST /v1/events: the rows of the answer table that need no operator."""

from tests.conftest import Api
from tests.events import sale


def test_first_then_retry_then_conflict(api: Api, tenant: str) -> None:
    event = sale(tenant, "e1")
    with api.client() as client:
        first = client.post("/v1/events", json=event)
        retry = client.post("/v1/events", json=dict(reversed(event.items())))
        conflict = client.post("/v1/events", json=event | {"txn_id": "another"})
        conflict_again = client.post("/v1/events", json=event | {"txn_id": "another"})
        accepted_again = client.post("/v1/events", json=event)
    assert (first.status_code, first.json()["result"]) == (201, "processed")
    assert (retry.status_code, retry.json()["result"]) == (200, "duplicate")
    assert retry.json()["first_seen_at"] == first.json()["first_seen_at"]
    assert (conflict.status_code, conflict.json()["reason_code"]) == (202, "IDEMPOTENCY_CONFLICT")
    assert (conflict_again.status_code, conflict_again.json()["reason_code"]) == (202, "ALREADY_QUARANTINED")
    assert conflict_again.json()["exception_id"] == conflict.json()["exception_id"]
    assert (accepted_again.status_code, accepted_again.json()["result"]) == (200, "duplicate")
