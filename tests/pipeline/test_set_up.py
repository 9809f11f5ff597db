"""What is set for tenants, stores and sources: changed whole or not at all, on record, and obeyed by what is posted."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.set_up import (
    export_tenants,
    import_tenants,
    set_store,
    set_tenant,
    tenant,
    tenants_page,
    verify_stores,
)
from ledgersafe.tenants import store as tenants
from tests.pipeline.operating import operator
from tests.pipeline.posting import DAY, Till, at

Wanted = list[dict[str, Any]]


def filed(name: str) -> dict[str, Any]:
    """A tenant as a file has it, with everything set."""
    return {
        "tenant_id": name,
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "day_starts_at": 4,
        "unreferenced_returns": "park",
        "unknown_stores": "park",
        "correction_days": 90,
        "simulated": False,
        "stores": [
            {"store_id": "berlin-1", "name": "Berlin Mitte", "country": "NO", "region": "North"},
            {"store_id": "tokyo-1", "currency": "JPY", "time_zone": "Asia/Tokyo", "day_starts_at": 0},
        ],
        "sources": [{"source_system": "till", "volatile_fields": ["/metadata/sent_at", "/a~1b"]}],
    }


def faults_of(call: Callable[[], object]) -> dict[str, str]:
    """Path → message of what a call is refused with."""
    with pytest.raises(RequestRefused) as refused:
        call()
    assert refused.value.reason.code == "INVALID_PARAMETER"
    return {fault.path: fault.message for fault in refused.value.faults}


def decisions(till: Till) -> list[tuple[Any, ...]]:
    sql = "SELECT action, object_id, before_json, after_json FROM audit.audit_log WHERE tenant_id = %s ORDER BY 2, 1"
    return till.rows(sql)


def test_a_file_makes_a_tenant_and_doing_it_again_changes_nothing(till: Till) -> None:
    wanted = [filed(till.tenant)]
    planned = import_tenants(till.db, wanted, operator(), dry_run=True)
    assert till.count("tenants.tenants") == till.count("audit.audit_log") == 0
    done = import_tenants(till.db, wanted, operator())
    assert done == planned
    assert [(one.object_type, one.object_id) for one in done] == [
        ("tenant", till.tenant),
        ("store", "berlin-1"),
        ("store", "tokyo-1"),
        ("source", "till"),
    ]
    assert {action for action, *_ in decisions(till)} == {"tenant.created", "store.created", "source.created"}
    assert import_tenants(till.db, wanted, operator()) == []
    exported = export_tenants(till.db, [till.tenant])
    assert {name: value for name, value in exported[0].items() if name not in ("stores", "sources")} == {
        name: value for name, value in wanted[0].items() if name not in ("stores", "sources")
    }
    assert exported[0]["sources"] == wanted[0]["sources"]
    assert {store["store_id"]: store["country"] for store in exported[0]["stores"]} == {
        "berlin-1": "NO",
        "tokyo-1": None,
    }
    assert import_tenants(till.db, exported, operator()) == []
    assert len(decisions(till)) == 4


def test_only_what_a_file_says_changes(till: Till) -> None:
    import_tenants(till.db, [filed(till.tenant)], operator())
    before = export_tenants(till.db, [till.tenant])[0]
    said = {
        "tenant_id": till.tenant,
        "correction_days": None,
        "stores": [{"store_id": "tokyo-1", "day_starts_at": None}],
        "sources": [{"source_system": "till", "volatile_fields": []}],
    }
    changes = import_tenants(till.db, [said], operator(actor="key:ana"))
    assert [(one.object_id, one.before, one.after) for one in changes] == [
        (till.tenant, {"correction_days": 90}, {"correction_days": None}),
        ("tokyo-1", {"day_starts_at": 0}, {"day_starts_at": None}),
        ("till", {"volatile_fields": ["/metadata/sent_at", "/a~1b"]}, {"volatile_fields": []}),
    ]
    assert [row for row in decisions(till) if row[0].endswith("changed")] == [
        ("tenant.changed", till.tenant, {"correction_days": 90}, {"correction_days": None}),
        ("source.changed", "till", {"volatile_fields": ["/metadata/sent_at", "/a~1b"]}, {"volatile_fields": []}),
        ("store.changed", "tokyo-1", {"day_starts_at": 0}, {"day_starts_at": None}),
    ]
    expected = deepcopy(before) | {"correction_days": None, "sources": said["sources"]}
    expected["stores"][1]["day_starts_at"] = None
    assert export_tenants(till.db, [till.tenant]) == [expected]


def test_every_fault_of_a_file_is_named_and_nothing_of_it_is_applied(till: Till) -> None:
    good = filed(till.tenant)
    wanted: list[Any] = [
        good,
        {"tenant_id": "_system", "curency": "EUR", "time_zone": "Europe/Berln", "day_starts_at": 24, "stores": {}},
        {"currency": "XXQ", "correction_days": -1, "simulated": "no", "unknown_stores": "maybe"},
        filed(till.tenant)
        | {
            "stores": [
                {"store_id": "a", "country": False, "time_zone": "UTC+1", "day_starts_at": "4"},
                {"store_id": "a", "name": " "},
                {"name": "x\n"},
                7,
            ],
            "sources": [{"source_system": "s", "volatile_fields": ["metadata/x"]}, {"source_system": "t"}],
        },
        "text",
    ]
    assert set(faults_of(lambda: import_tenants(till.db, wanted, operator()))) == {
        "/tenants/1/tenant_id",
        "/tenants/1/curency",
        "/tenants/1/time_zone",
        "/tenants/1/day_starts_at",
        "/tenants/1/stores",
        "/tenants/2/tenant_id",
        "/tenants/2/currency",
        "/tenants/2/correction_days",
        "/tenants/2/simulated",
        "/tenants/2/unknown_stores",
        "/tenants/3/tenant_id",
        "/tenants/3/stores/0/country",
        "/tenants/3/stores/0/time_zone",
        "/tenants/3/stores/0/day_starts_at",
        "/tenants/3/stores/1/store_id",
        "/tenants/3/stores/1/name",
        "/tenants/3/stores/2/store_id",
        "/tenants/3/stores/2/name",
        "/tenants/3/stores/3",
        "/tenants/3/sources/0/volatile_fields",
        "/tenants/3/sources/1/volatile_fields",
        "/tenants/4",
    }
    assert till.count("tenants.tenants") == 0
    assert import_tenants(till.db, [good], operator()), "without its neighbours it is fine"
    for nothing in (None, {}, "tenants", 1):
        assert set(faults_of(lambda wanted=nothing: import_tenants(till.db, wanted, operator()))) == {"/tenants"}


def test_who_serves_other_tenants_imports_nothing_of_this_one(till: Till) -> None:
    other = f"{till.tenant}-other"
    with pytest.raises(RequestRefused, match="FOREIGN_TENANT"):
        import_tenants(till.db, [filed(other), filed(till.tenant)], operator(other))
    assert tenants_page(till.db, [other, till.tenant], None, 10) == []
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        set_tenant(till.db, "_system", {"currency": "EUR"}, operator())
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        set_store(till.db, till.tenant, "s", {}, operator())
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        tenant(till.db, till.tenant)


def test_two_imports_at_once_end_as_one_after_the_other(till: Till) -> None:
    """Many at a time, with the tenants in either order: each ends whole, and what they do is on record once each."""
    names = [f"{till.tenant}-{number}" for number in range(4)]

    def imported(number: int) -> int:
        zone, order = ("Asia/Tokyo", names) if number % 2 else ("Europe/Paris", names[::-1])
        stores = [{"store_id": f"s{at}", "time_zone": zone} for at in range(20)]
        return len(
            import_tenants(
                till.db, [{"tenant_id": name, "time_zone": zone, "stores": stores} for name in order], operator()
            )
        )

    with ThreadPoolExecutor(8) as pool:
        changed = list(pool.map(imported, range(60)))
    for exported in export_tenants(till.db, names):
        assert {store["time_zone"] for store in exported["stores"]} == {exported["time_zone"]}
    zones = {exported["time_zone"] for exported in export_tenants(till.db, names)}
    assert len(zones) == 1, "the last of them set all tenants"
    sql = "SELECT count(*) FROM audit.audit_log WHERE tenant_id = ANY (%s)"
    assert till.superuser.execute(sql, [names]).fetchone() == (sum(changed),)
    assert max(changed) == 4 * 21
    for name in names:
        sql = """SELECT before_json->>'time_zone', after_json->>'time_zone', count(*)::int FROM audit.audit_log
            WHERE tenant_id = %s AND object_type = 'tenant' GROUP BY 1, 2"""
        steps = {(before, after): times for before, after, times in till.superuser.execute(sql, [name]).fetchall()}
        assert sum(times for (before, _), times in steps.items() if before is None) == 1, "it is made once"
        there, back = (steps.get(way, 0) for way in (("Europe/Paris", "Asia/Tokyo"), ("Asia/Tokyo", "Europe/Paris")))
        assert abs(there - back) <= 1, f"each begins where one before ended: {steps}"


def test_an_import_waits_for_the_one_before(till: Till) -> None:
    """And sees what it left: no change is decided on what is no longer so."""
    till.set(time_zone="UTC")
    wanted = [{"tenant_id": till.tenant, "time_zone": "Asia/Tokyo"}]
    with ThreadPoolExecutor(1) as pool:
        with till.db.transaction() as tx:
            assert tenants.lock_tenant(tx, till.tenant).one() == till.tenant
            before = tenants.settings(tx, [till.tenant]).one()
            following = pool.submit(import_tenants, till.db, wanted, operator())
            time.sleep(0.3)
            assert not following.done()
            till.send(till.sold())  # who posts does not wait
            tenants.set_tenant(tx, replace(before, time_zone="Europe/Paris"))
        (change,) = following.result(10)
    assert (change.before, change.after) == ({"time_zone": "Europe/Paris"}, {"time_zone": "Asia/Tokyo"})


def test_a_store_that_its_first_event_made_waits_to_be_looked_at(till: Till) -> None:
    till.send(till.sold("a", store_id="new-1"), till.sold("b", store_id="new-2"), till.sold("c", store_id="new-3"))
    (row,) = tenants_page(till.db, [till.tenant], None, 10)
    assert (row.stores, row.unverified_stores) == (3, 3)
    with pytest.raises(RequestRefused, match="new-9"):
        verify_stores(till.db, till.tenant, ["new-1", "new-9"], operator())
    looked_at = verify_stores(till.db, till.tenant, ["new-1"], operator())
    assert [(store.store_id, store.is_verified) for store in looked_at] == [("new-1", True)]
    assert verify_stores(till.db, till.tenant, ["new-1"], operator()) == looked_at
    assert set_store(till.db, till.tenant, "new-2", {"name": "Corner shop"}, operator()).is_verified
    assert not set_store(till.db, till.tenant, "new-3", {"is_verified": False}, operator()).is_verified
    assert decisions(till)[-2:] == [
        ("store.changed", "new-1", {"is_verified": False}, {"is_verified": True}),
        ("store.changed", "new-2", {"name": None, "is_verified": False}, {"name": "Corner shop", "is_verified": True}),
    ]


def test_one_setting_is_checked_as_a_file_is(till: Till) -> None:
    till.set()
    for wanted, path in (
        ({"time_zone": "Mars"}, "/time_zone"),
        ({"name": "x"}, "/name"),
        ({"currency": "eur"}, "/currency"),
    ):
        assert set(faults_of(lambda said=wanted: set_tenant(till.db, till.tenant, said, operator()))) == {path}
    assert set(faults_of(lambda: set_store(till.db, till.tenant, "s", {"day_starts_at": True}, operator()))) == {
        "/day_starts_at"
    }
    with pytest.raises(RequestRefused, match="control"):
        set_store(till.db, till.tenant, "s\n", {}, operator())
    assert decisions(till) == []


def test_postings_follow_the_zone_and_the_day_of_their_store_from_then_on(till: Till) -> None:
    """03:30 in Berlin is 02:30 in UTC: of the day before where the day begins at four."""
    night = at("2026-02-26T02:30:00+00:00").isoformat()
    till.send(till.sold("before", occurred_at=night, store_id="berlin-1"))
    import_tenants(till.db, [filed(till.tenant)], operator())
    till.send(
        till.sold("after", occurred_at=night, store_id="berlin-1"),
        till.sold("tokyo", occurred_at=night, store_id="tokyo-1"),
    )
    set_store(till.db, till.tenant, "berlin-1", {"day_starts_at": 3}, operator())
    till.send(till.sold("later", occurred_at=night, store_id="berlin-1"))
    sql = "SELECT txn_id, business_date - date %s, country FROM silver.transactions WHERE tenant_id = %s"
    rows = till.superuser.execute(sql.replace("date %s", f"date '{DAY}'").encode(), [till.tenant]).fetchall()
    assert sorted(rows) == [
        ("txn-after", 0, "NO"),
        ("txn-before", 1, None),
        ("txn-later", 1, "NO"),
        ("txn-tokyo", 1, None),
    ]
    till.assert_sound()


def test_postings_follow_the_policies(till: Till) -> None:
    import_tenants(till.db, [filed(till.tenant) | {"correction_days": 0}], operator())
    till.send(
        till.sold("s", store_id="berlin-1"),
        till.sold("unknown", store_id="nobody-knows"),
        till.returned("r", of=None, store_id="berlin-1"),
        till.amended("VOID", "late", store_id="berlin-1", occurred_at="2026-02-28T12:00:00Z"),
    )
    assert till.held() == {
        "unknown": "UNKNOWN_STORE",
        "r": "UNREFERENCED_RETURN",
        "late": "LATE_EVENT_OUTSIDE_WINDOW",
    }
    set_tenant(till.db, till.tenant, {"unknown_stores": "allow", "unreferenced_returns": "allow"}, operator())
    till.send(till.sold("unknown-2", store_id="nobody-knows"), till.returned("r2", of=None, store_id="berlin-1"))
    assert set(till.held()) == {"unknown", "r", "late"}
    set_tenant(till.db, till.tenant, {"unknown_stores": "park"}, operator())
    set_store(till.db, till.tenant, "just-opened", {}, operator())
    till.send(till.sold("opened", store_id="just-opened"))
    assert set(till.held()) == {"unknown", "r", "late"}
    till.assert_sound()
