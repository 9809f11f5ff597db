"""Pipeline: do the workers keep up, and does everything tie out?"""

import psycopg
import pytest
from playwright.sync_api import expect

from tests.console.deliveries import confirm, decide, deliver
from tests.console.desk import Desk
from tests.events import sale

_JOB = "partitions-ahead"
"""Nothing of the other tests waits for it."""


def test_every_job_is_shown_with_how_it_stands(overseer: Desk) -> None:
    overseer.open("/pipeline")
    overseer.wait_until(lambda: len(overseer.table("Jobs")) >= 6, "the worker's jobs were not shown")
    jobs = {row[0]: row[1:] for row in overseer.table("Jobs")}
    assert jobs[_JOB][0] == "every 1 h"
    assert jobs["seals"][0] == "every 1 min"
    overseer.follow(_JOB)
    overseer.sees("Makes the partitions of the months ahead.")
    assert overseer.table("Runs")[0][1] == "succeeded"
    address = overseer.page.url
    overseer.reload()
    assert overseer.page.url == address
    overseer.sees("Makes the partitions of the months ahead.")


def test_a_job_is_paused_resumed_and_run(overseer: Desk) -> None:
    overseer.open(f"/pipeline?job={_JOB}")
    overseer.press("Pause…")
    dialog = overseer.page.get_by_role("dialog")
    overseer.press("Pause", within=dialog)
    expect(dialog).to_contain_text("Say why first")
    confirm(overseer, "maintenance", "Pause")
    overseer.sees(f"{_JOB} is paused.")
    try:
        overseer.wait_until(lambda: overseer.table("Job")[0][2] == "paused", "it is not shown as paused")
        expect(overseer.page.get_by_role("button", name="Run now…")).to_be_disabled()
        late = overseer.second(all_tenants=True, scopes=("read", "admin"))
        late.open(f"/pipeline?job={_JOB}")
        assert late.table("Job")[0][2] == "paused"
    finally:
        decide(overseer, "Resume…", "it is over", "Resume")
    overseer.sees(f"{_JOB} is resumed.")
    before = overseer.table("Runs")
    decide(overseer, "Run now…", "to see it", "Run now")
    overseer.sees(f"{_JOB} is due now.")
    overseer.wait_until(lambda: overseer.table("Runs")[:1] not in ([], before[:1]), "it did not run", seconds=30)
    with overseer.client() as client:
        entries = client.get("/v1/audit", params={"object_id": _JOB, "limit": 100}).json()["items"]
    assert [entry["notes"] for entry in entries][-3:] == ["maintenance", "it is over", "to see it"]


def test_who_may_not_steer_is_told_so(desk: Desk, overseer: Desk) -> None:
    desk.open("/pipeline")
    desk.sees("a key that serves all tenants sees and steers them")
    reader = overseer.second(all_tenants=True, scopes=("read",))
    reader.open(f"/pipeline?job={_JOB}")
    reader.sees("that needs the scope admin")
    assert reader.page.get_by_role("button", name="Pause…").count() == 0
    reader.open("/pipeline?shown=Webhooks")
    reader.sees("keys with the scope admin see")
    reader.open("/pipeline?job=nothing")
    reader.sees("There is no job nothing")
    reader.follow("All jobs")
    assert not reader.troubles()


def test_lag_is_shown(desk: Desk) -> None:
    desk.send(sale(desk.tenant, "e1"))
    desk.posted("e1")
    held = deliver(desk, "held.csv", b"A\n1\n", "nobody_knows")
    assert held
    desk.open("/pipeline?shown=Lag")
    waiting = {row[0]: row[1:] for row in desk.table("Waiting")}
    assert waiting["Events to be posted"] == ["0", "", "", "on time"]
    assert waiting["Files that wait for a person"] == ["1", "", "", "to be decided"]
    desk.sees("half of all events were in the books within")
    assert {row[0] for row in desk.table("Gold")} >= {"daily_store_sales", "account_daily"}
    assert desk.table("Back-pressure")[0] == ["Events that wait for a commit", "0"]
    desk.follow("Files that wait for a person")
    assert [row[1] for row in desk.table("Deliveries")] == ["held.csv"]


def test_webhooks_that_fail_are_shown(desk: Desk) -> None:
    desk.open("/pipeline?shown=Webhooks")
    desk.sees("Nobody is told of exceptions")
    with desk.client() as client:
        wish = {"url": "http://127.0.0.1:9/<b>hook</b>"}
        made = client.post("/v1/webhooks", json=wish)
        assert made.status_code == 201, made.text
        client.post(f"/v1/webhooks/{made.json()['webhook']['webhook_id']}/test").raise_for_status()

    def is_failing() -> bool:
        return desk.ask("/v1/webhooks")["items"][0]["failing_since"] is not None

    desk.wait_until(is_failing, "no message was tried", seconds=30)
    desk.reload()
    assert desk.table("Webhooks")[0][:3] == [
        "http://127.0.0.1:9/<b>hook</b>",
        "exception.opened, exception.resolved",
        "failing",
    ]
    desk.sees("1 webhook does not get through")


@pytest.mark.parametrize("is_off", [False, True], ids=["holds", "off"])
def test_everything_is_checked_on_request(desk: Desk, is_off: bool) -> None:
    desk.send(sale(desk.tenant, "e1"))
    desk.posted("e1")
    if is_off:
        _damage(desk)
    desk.open("/pipeline?shown=Checks")
    assert desk.table("Checks") == []
    desk.press("Check everything now")
    desk.sees("are off" if is_off else "checks hold", seconds=60)
    assert desk.table("Checks")[0][:2] == [desk.tenant, "off" if is_off else "holds"]


def _damage(desk: Desk) -> None:
    """A count that no key bears out: one of the checks must see it."""
    with psycopg.connect(desk.api.database.superuser_url, autocommit=True) as connection:
        connection.execute("UPDATE gate.counters SET processed = processed + 1 WHERE tenant_id = %s", [desk.tenant])
