"""Closing a month: what it comes to, and everything that speaks against it, with the way to what it counts."""

import psycopg

from tests.console.books import cash_sale, send_posted
from tests.console.conftest import Stand
from tests.console.deliveries import DRIFTED, GOOD, STOCK, deliver, put
from tests.console.desk import Desk
from tests.console.test_ledger_page import known_books, query

AGAINST = "What speaks against closing it"
STORES = 40
COMPLETENESS = """INSERT INTO gold.store_day_completeness (tenant_id, books_date, store_id, transactions, last_reported)
SELECT %(tenant)s, day, 'store_' || lpad(number::text, 3, '0'), CASE WHEN day = '2026-03-30' THEN 0 ELSE 1 END,
       CASE WHEN day = '2026-03-30' THEN '2026-03-29' ELSE day END
FROM generate_series('2026-03-01'::date, '2026-03-31'::date, interval '1 day') AS d (at)
CROSS JOIN LATERAL (SELECT at::date AS day) AS days
CROSS JOIN generate_series(1, %(stores)s) AS s (number)"""


def told(desk: Desk, badge: str) -> str:
    (text,) = [row[1] for row in desk.table(AGAINST) if row[0] == badge]
    return text


def badges(desk: Desk) -> set[str]:
    return {row[0] for row in desk.table(AGAINST)}


def is_behind(desk: Desk) -> bool:
    tables = {one["table"]: one["behind_since"] for one in desk.ask("/v1/flow", minutes=1)["gold"]}
    return tables["store_day_completeness"] is not None


def test_what_is_closed_is_told(desk: Desk) -> None:
    known_books(desk)
    desk.open("/ledger?section=Months&month=2026-02")
    assert [(row[0], *map(float, row[1:6])) for row in desk.table("What is closed")] == [
        ("EUR", 42.5, 0, 0, 3.4, 42.5),
        ("USD", 127.5, -30, 0, 10.2, 97.5),
    ]
    desk.sees("5 events of it in the books")
    desk.follow("By day")
    assert query(desk)["from"] + query(desk)["to"] == ["2026-02-01", "2026-02-28"]
    assert len(desk.table("Daily sales")) == 4


def test_parked_events_lead_to_those_of_their_stores(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "a1"))
    bad = {"total_amount": "-45.90"}
    desk.send(cash_sale(desk, "h1", **bad), cash_sale(desk, "h2", "2026-02-26", store_id="store_002", **bad))
    desk.send(cash_sale(desk, "h3", "2026-02-27", store_id="store_002", **bad))
    desk.open("/ledger?section=Months&month=2026-02")
    assert told(desk, "parked").startswith("Parked events of it: 3.")
    desk.follow("store_002: 2")
    assert query(desk)["store"] == ["store_002"]
    assert len(desk.table("Exceptions")) == 2
    desk.open("/ledger?section=Months&month=2026-02")
    desk.follow("By day and store")
    assert {(row[0], row[1]): row[5] for row in desk.table("Tie-out by day") if row[0]}[
        "2026-02-27", "store_002"
    ] == "1"


def test_files_are_among_what_speaks_against_it(desk: Desk) -> None:
    send_posted(desk, cash_sale(desk, "a1"))
    desk.open("/ledger?section=Months&month=2026-02")
    assert not badges(desk) & {"held", "rows wait", "received"}
    deliver(desk, "unknown.csv", GOOD, "unknown")
    put(desk, STOCK)
    deliver(desk, "drifted.csv", DRIFTED)
    desk.reload()
    assert told(desk, "held") == (
        "1 file is held: nothing of it is loaded. Files are of no month: what is in them may be of this one."
    )
    assert told(desk, "rows wait").startswith("1 file has rows that wait for a decision, and are not loaded.")
    desk.follow("Quarantined")
    assert [row[1] for row in desk.table("Deliveries")] == ["unknown.csv"]
    desk.page.go_back()
    desk.settle()
    desk.follow("Files")
    assert [row[1] for row in desk.table("Deliveries")] == ["drifted.csv"]


def test_silent_days_are_found_behind_any_number_of_others(desk: Desk, stand: Stand) -> None:
    """1,160 rows of stores that have reported stand before them, more than a page has unless it is told otherwise."""
    send_posted(desk, cash_sale(desk, "a1", "2026-03-02"))
    with psycopg.connect(stand.api.database.superuser_url, autocommit=True) as connection:
        connection.execute("DELETE FROM gold.store_day_completeness WHERE tenant_id = %s", [desk.tenant])
        connection.execute(COMPLETENESS, {"tenant": desk.tenant, "stores": STORES})
    desk.open("/ledger?section=Months&month=2026-03")
    assert told(desk, "silent") == "Store days without any sale or return: 40."
    desk.follow("Which")
    found = desk.table("Silent store days")
    assert (len(found), found[0]) == (STORES, ["2026-03-30", "store_001", "2026-03-29"])
    desk.follow("store_001")
    assert query(desk)["store"] == ["store_001"]


def test_what_is_not_computed_is_not_told_as_nothing(desk: Desk) -> None:
    for number in range(3):  # it may have been computed at this very moment
        send_posted(desk, cash_sale(desk, f"a{number}"))
        if is_behind(desk):
            break
    desk.open("/ledger?section=Months&month=2026-02")
    assert "not known" in badges(desk)
    assert told(desk, "not known").startswith("Which stores have reported nothing is not computed")
