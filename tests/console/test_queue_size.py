"""A long queue: the browser gets a page of it, never the list. How fast that is at 100,000: bench/paths/console.py."""

from tests.console.desk import Desk
from tests.events import sale

PARKED, ROWS = 2_000, 50
MOST_BYTES = 150_000
"""Of a page with its fields and its rows; a row takes some 500, so the whole list would be a million."""


def test_the_browser_never_gets_the_whole_queue(desk: Desk) -> None:
    held = [sale(desk.tenant, f"e{number:05}", total_amount=99) for number in range(PARKED)]
    with desk.api.client() as client:
        answer = client.post("/v1/events:batch", json=held)
    assert answer.text.count("TOTALS_MISMATCH") >= PARKED, answer.text[:500]
    desk.open("/exceptions")
    first = [row[1] for row in desk.table("Exceptions")]
    assert len(first) == ROWS
    assert 1_000 < desk.received < MOST_BYTES
    before = desk.received
    with desk.page.expect_navigation():
        desk.page.get_by_role("link", name="Next page").click()
    desk.settle()
    following = [row[1] for row in desk.table("Exceptions")]
    assert (len(following), set(first) & set(following)) == (ROWS, set())
    assert desk.received - before < MOST_BYTES
