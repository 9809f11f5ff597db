"""What one request may cost: heads, idle connections, batches of nothing, names told twice."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import Api, TestDatabase
from tests.events import sale


def test_a_head_without_end_is_hung_up_on(api: Api) -> None:
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nX-A: ")
        sent = 0
        try:
            while sent < 50_000_000:
                sent += connection.send(b"a" * 65_536)
        except OSError:
            pass
    assert sent < 20_000_000, "the server read on and on"


def test_many_names_told_twice_are_found_at_once(api: Api, tenant: str) -> None:
    members = ",".join(f'"name{number}":1' for number in range(60_000))
    body = json.dumps(sale(tenant, "e1"))[:-1] + f',{members},"name0":2}}'
    with api.client() as client:
        started = time.monotonic()
        response = client.post("/v1/events", content=body)
    assert (response.status_code, response.json()["reason_code"]) == (400, "DUPLICATE_MEMBER_NAME")
    assert time.monotonic() - started < 5, "quadratic: it took minutes when it was"


def test_a_batch_of_millions_of_nothings_is_refused(api: Api) -> None:
    with api.client() as client:
        array = client.post("/v1/events:batch", content=b"[" + b"1," * 3_000_000 + b"1]")
        lines = client.post("/v1/events:batch", content=b"\n" * 3_000_000)
    assert {response.json()["reason_code"] for response in (array, lines)} == {"TOO_MANY_EVENTS"}


def test_an_array_of_many_commas_is_read_item_by_item(api: Api, tenant: str) -> None:
    long = sale(tenant, "e1", metadata={"numbers": [1] * 400_000, "text": 'é ] , [ " \\'})
    bodies = [
        long,
        sale(tenant, "e2"),
        long | {"event_id": "e3", "txn_id": "t3"},
        long | {"event_id": "e4", "txn_id": "t4"},
    ]
    with api.client() as client:
        response = client.post(
            "/v1/events:batch", content=json.dumps(bodies, ensure_ascii=False, separators=(",", ":")).encode()
        )
        broken = client.post("/v1/events:batch", content=b"[" + b"1," * 1_100_000 + b"1")
    assert [item["status"] for item in response.json()["results"]] == [201, 201, 201, 201]
    assert broken.json()["reason_code"] in ("INVALID_JSON", "TOO_MANY_EVENTS")


def test_a_batch_of_bad_lines_is_kept_in_few_commits(api: Api, tenant: str) -> None:
    with api.client(api.new_key(tenants=[tenant], scopes=["ingest", "read"])) as client:
        response = client.post("/v1/events:batch", content=b"1\n" * 3_000)
        listed = client.get("/v1/rejected", params={"limit": 1000}).json()["items"]
    assert {item["reason_code"] for item in response.json()["results"]} == {"NOT_AN_EVENT"}
    assert len(listed) == 1000


def test_a_key_too_long_for_an_index_is_parked(api: Api) -> None:
    wide = "\U00020000" * 255
    event = sale(wide, "e1", source_system=wide, source_event_id=wide)
    with api.client() as client:
        response = client.post("/v1/events", json=event)
    assert (response.status_code, response.json()["reason_code"]) == (202, "CONTRACT_VIOLATION")


def test_the_order_of_members_makes_no_other_event(api: Api, tenant: str) -> None:
    base = {"specversion": "1.0", "source": "s", "type": "SALE", "tenantid": tenant, "storeid": "s1", "subject": "t"}
    one = {"id": "oa", "event_id": "ob", **base}
    headers = {"Content-Type": "application/cloudevents+json"}
    with api.client() as client:
        answers = [
            client.post("/v1/events", content=json.dumps(body), headers=headers)
            for body in (one, dict(reversed(one.items())))
        ]
    assert {(answer.status_code, answer.json()["reason_code"]) for answer in answers} == {
        (422, "UNSUPPORTED_CLOUDEVENT")
    }


def resident_kib(api: Api) -> int:
    (told,) = [
        line for line in Path(f"/proc/{api.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    ]
    return int(told.split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_what_was_refused_is_let_go(
    start_api: Callable[..., Api], new_database: Callable[[], TestDatabase], tenant: str
) -> None:
    """Each of these was kept twice over, until the process was killed for its memory."""
    api = start_api(new_database())
    good = json.dumps(sale(tenant, metadata={"pad": "a" * 900_000}))
    batch = "\n".join([good] * 10 + ["{"])
    with api.client() as client:

        def send() -> None:
            assert client.post("/v1/events:batch", content=batch).json()["results"][-1]["reason_code"] == "INVALID_JSON"
            assert client.post("/v1/events", content="{" + "b" * 900_000).json()["reason_code"] == "INVALID_JSON"

        for _ in range(4):
            send()
        before = resident_kib(api)
        for _ in range(10):
            send()
    assert resident_kib(api) - before < 60 * 1024, "ten batches of nine megabytes"
