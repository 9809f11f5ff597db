"""/v1/ledger and `ledgersafe ledger`: what was posted, as an accountant asks for it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ledgersafe.pipeline.promote import promote
from tests.api.answers import refused, rows
from tests.conftest import Api
from tests.events import sale

_OF_A_SALE = ("line_items", "total_amount", "payment_method")
LONG_AGO = "2026-02-25T12:00:00Z"


def posted(api: Api, tenant: str, *events: dict[str, Any]) -> None:
    with api.client() as client:
        answer = client.post("/v1/events:batch", json=list(events))
        assert {item["result"] for item in answer.json()["results"]} == {"processed"}
    database = api.database.open(size=2)
    promote(database, tenant, datetime.now(UTC))
    database.close()


def cash_sale(tenant: str, number: int, **changes: Any) -> dict[str, Any]:
    event = sale(tenant, f"e{number}", txn_id=f"t{number}", payment_method="cash", occurred_at=LONG_AGO)
    return event | {"tax_amount": "3.40", "total_amount": "45.90"} | changes


def test_accounts_entries_and_the_trial_balance(api: Api, tenant: str) -> None:
    posted(api, tenant, *(cash_sale(tenant, number) for number in range(5)))
    posted(api, tenant, cash_sale(tenant, 9, store_id="another", currency="EUR"))
    with api.client() as client:
        of = {"tenant_id": tenant}
        roles = {row["role"]: row["account"] for row in client.get("/v1/ledger/accounts", params=of).json()["items"]}
        balance = client.get("/v1/ledger/trial-balance", params=of).json()["items"]
        assert {(row["account"], row["currency"]): Decimal(row["balance"]) for row in balance} == {
            (roles["cash"], "USD"): Decimal("229.50"),
            (roles["sales"], "USD"): Decimal("-212.50"),
            (roles["tax"], "USD"): Decimal("-17.00"),
            (roles["cash"], "EUR"): Decimal("45.90"),
            (roles["sales"], "EUR"): Decimal("-42.50"),
            (roles["tax"], "EUR"): Decimal("-3.40"),
        }
        by_store = client.get("/v1/ledger/trial-balance", params=of | {"by": "store"}).json()["items"]
        assert {row["store_id"] for row in by_store} == {"store_001", "another"}
        assert client.get("/v1/ledger/trial-balance", params=of | {"as_of": "2026-02-24"}).json()["items"] == []
        seen: list[str] = []
        cursor: str | None = None
        while True:
            asked = of | {"limit": 4} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/ledger/entries", params=asked).json()
            assert all(sum(Decimal(line["amount"]) for line in entry["lines"]) == 0 for entry in page["items"])
            seen += [entry["entry_id"] for entry in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 6
        for filters, number in (
            ({"store_id": "another"}, 1),
            ({"account": roles["cash"]}, 6),
            ({"account": roles["card"]}, 0),
            ({"since": "2026-02-25", "until": "2026-02-26"}, 6),
            ({"until": "2026-02-25"}, 0),
        ):
            found = client.get("/v1/ledger/entries", params=of | filters).json()["items"]
            assert len(found) == number, filters
        assert client.get("/v1/ledger/entries", params=of | {"cursor": "x"}).status_code == 422


def test_a_receipt_is_found_by_its_number_in_every_store(api: Api, tenant: str) -> None:
    shops = [sale(tenant, shop, txn_id="499/383", store_id=shop) for shop in ("north", "south")]
    undone = {"event_type": "VOID", "original_txn_id": "499/383", "store_id": "north"}
    void = {name: value for name, value in sale(tenant, "v", **undone).items() if name not in _OF_A_SALE}
    posted(api, tenant, *shops, sale(tenant, "c", txn_id="499"), void)
    with api.client(api.new_key(tenants=[tenant], scopes=["read"])) as client:
        found = client.get("/v1/receipts/499%2F383").raise_for_status().json()["items"]
        assert [(one["store_id"], one["event_id"], one["kind"], Decimal(one["total"])) for one in found] == [
            ("north", "north", "posting", Decimal("42.5")),
            ("north", "v", "reversal", Decimal("-42.5")),
            ("south", "south", "posting", Decimal("42.5")),
        ]
        refused(client.get("/v1/receipts/c"), 404, "NOT_FOUND")


def test_entries_name_the_event_that_caused_them(api: Api, tenant: str) -> None:
    void = {"event_type": "VOID", "original_txn_id": "t1", "txn_id": "v1"}
    nothing = ("line_items", "total_amount", "tax_amount", "payment_method")
    posted(api, tenant, cash_sale(tenant, 1))
    posted(api, tenant, {name: value for name, value in (cash_sale(tenant, 2) | void).items() if name not in nothing})
    with api.client() as client:
        found = client.get("/v1/ledger/entries", params={"tenant_id": tenant}).json()["items"]
        assert [(entry["kind"], entry["event_id"]) for entry in found] == [("posting", "e1"), ("reversal", "e2")]
        assert found[1]["reverses"] == found[0]["entry_id"]
        traces = [client.get(f"/v1/events/{name}", params={"tenant_id": tenant}).json() for name in ("e1", "e2")]
    for trace, sign in zip(traces, (1, -1), strict=True):
        (transaction,) = trace["transactions"]
        lines = [(line["line_no"], line["sku"], Decimal(line["amount"])) for line in transaction["lines"]]
        assert lines == [(1, "SKU-AAA", Decimal(30) * sign), (2, "SKU-BBB", Decimal("12.5") * sign)]


def test_a_month_is_closed_and_opened_again_on_record(api: Api, tenant: str) -> None:
    posted(api, tenant, cash_sale(tenant, 1))
    of = {"tenant_id": tenant}
    with api.client() as client:
        closed = client.post("/v1/ledger/periods/2026-02/close", params=of, json={"notes": "done"})
        assert (closed.status_code, closed.json()["status"]) == (200, "closed")
        assert (
            client.post("/v1/ledger/periods/2026-02/close", params=of, json={"notes": "again"}).json() == closed.json()
        )
        posted(api, tenant, cash_sale(tenant, 2))
        (held,) = client.get("/v1/exceptions", params=of).json()["items"]
        assert held["reason_code"] == "PERIOD_LOCKED"
        wish = {"action": "override_and_replay", "resolution_notes": "late"}
        refused = client.post(f"/v1/exceptions/{held['exception_id']}/resolve", json=wish)
        assert (refused.status_code, refused.json()["details"][0]["reason_code"]) == (409, "PERIOD_LOCKED")
        chosen = client.post(f"/v1/exceptions/{held['exception_id']}/resolve", json=wish | {"books_date": "2026-03-01"})
        assert chosen.status_code == 200
        sql = "SELECT business_date::text, books_date::text FROM ledger.entries WHERE tenant_id = %s ORDER BY 2"
        assert rows(api.database, sql, [tenant]) == [("2026-02-25", "2026-02-25"), ("2026-02-25", "2026-03-01")]
        opened = client.post("/v1/ledger/periods/2026-02/reopen", params=of, json={"notes": "auditor"})
        assert opened.json()["status"] == "open"
        months = client.get("/v1/ledger/periods", params=of).json()["items"]
        assert [(month["period"], month["status"]) for month in months] == [
            ("2026-02-01", "open"),
            ("2026-03-01", "open"),
        ]
        actions = [
            row["action"] for row in client.get("/v1/audit", params=of | {"object_type": "period"}).json()["items"]
        ]
        assert actions == ["period.closed", "period.opened"]
        assert client.get("/v1/verify", params=of).json()["ok"] is True
        this_month = f"{datetime.now(UTC):%Y-%m}"
        for month, notes in ((this_month, "x"), ("2026-02", " "), ("0000-02", "x"), ("2026-13", "x")):
            answer = client.post(f"/v1/ledger/periods/{month}/close", params=of, json={"notes": notes})
            assert answer.status_code == 422, month
