"""Receipts whose kind, store or number is spelled in several ways: each is one event of the right kind, or held."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.replay_rows import replay
from ledgersafe.pipeline.resolve import Operator
from tests.contracts.till_lines import CONTRACT
from tests.pipeline.arrivals import ANYBODY
from tests.pipeline.filing import CLOCK, put
from tests.pipeline.posting import Till
from tests.pipeline.test_deliver_events import WHEN, bad_rows
from tests.pipeline.test_nasty_receipts import KINDS, contract, sent

HEADER = "Receipt,Item,Qty,Price,At"


def types(till: Till) -> dict[str, str]:
    """Event → its type."""
    return dict(till.rows("SELECT event_id, event_type FROM bronze.events_raw WHERE tenant_id = %s"))


@pytest.mark.parametrize("kind", ["REFUND", "REFUND    ", "\u00a0REFUND"])
def test_a_refund_is_one_whatever_blanks_stand_around_it(till: Till, tmp_path: Path, kind: str) -> None:
    put(till, members := contract({"Kind": {}}, event_type=KINDS))
    rows = [f"B1,tea,1,10.00,{WHEN},SALE    ", f"B2,jam,1,4.00,{WHEN},{kind}"]
    sent(till, members, tmp_path, f"{HEADER},Kind", *rows)
    assert (types(till), bad_rows(till)) == ({"till-B1": "SALE", "till-B2": "RETURN"}, {})
    assert sent(till, members, tmp_path, f"{HEADER},Kind", *map(str.strip, rows))[1] == {"duplicate": 2}


@pytest.mark.parametrize(
    ("column", "rule", "cells"),
    [
        ({"type": "integer"}, {"equals": "2"}, ["2", "02", "2.0", " 2"]),
        ({"type": "integer"}, {"equals": "02"}, ["2", "02"]),
        ({"type": "decimal(4,2)"}, {"one_of": ["2.50", "3"]}, ["2.5", "3.00"]),
        ({"type": "decimal(4,2)", "decimal": ","}, {"one_of": ["2.50", "3,5"]}, ["2,5", "3,50"]),
        ({"type": "boolean"}, {"equals": "Y"}, ["y", "true", "1"]),
        ({"type": "date", "format": "%d/%m/%Y"}, {"equals": "31/12/2026"}, ["31/12/2026", " 31/12/2026"]),
        ({}, {"equals": " caf\u00e9"}, ["caf\u00e9", "cafe\u0301 "]),
        ({}, {"starts_with": "R "}, ["R 1", " R 2"]),
    ],
)
def test_a_kind_is_told_by_what_it_says_not_by_how_it_is_spelled(
    till: Till, tmp_path: Path, column: dict[str, Any], rule: dict[str, Any], cells: list[str]
) -> None:
    kinds = [{"when": {"column": "Kind", **rule}, "type": "RETURN"}, {"type": "SALE"}]
    put(till, members := contract({"Kind": column}, event_type=kinds))
    rows = [f'B{at},tea,1,1.00,{WHEN},"{cell}"' for at, cell in enumerate(cells)]
    sent(till, members, tmp_path, f"{HEADER},Kind", *rows)
    assert (types(till), bad_rows(till)) == ({f"till-B{at}": "RETURN" for at in range(len(cells))}, {})


@pytest.mark.parametrize("kind", ["refund", "Refund", "RE FUND", "REFUND\u200b", "'REFUND'", "\uff32EFUND"])
def test_what_is_only_like_a_kind_is_held_with_its_receipt(till: Till, tmp_path: Path, kind: str) -> None:
    put(till, members := contract({"Kind": {}}, event_type=KINDS))
    rows = [f"B1,tea,1,10.00,{WHEN},{kind}", f"B1,jam,1,4.00,{WHEN},REFUND", f"B2,jam,1,1.00,{WHEN},sale"]
    found, outcomes = sent(till, members, tmp_path, f"{HEADER},Kind", *rows)
    assert (outcomes, types(till)) == ({"processed": 1}, {"till-B2": "SALE"})
    assert bad_rows(till) == {2: ("B1", ["event"]), 3: ("B1", ["group"])}
    name, by = files.IngestionName(till.tenant, UUID(found)), Operator(ANYBODY, CLOCK.now(), 600)
    with pytest.raises(RequestRefused, match=re.escape("Row 2, Kind: reads like 'REFUND', for which its event is")):
        replay(till.db, name, {2: {}}, "it is only its spelling", by)
    assert replay(till.db, name, {2: {"Kind": "REFUND"}}, "asked the shop", by).rows == [2, 3]
    assert types(till)["till-B1"] == "RETURN"


def test_codes_of_texts_that_have_lost_their_zeros_are_held(till: Till, tmp_path: Path) -> None:
    kinds = [{"when": {"column": "Kind", "one_of": ["02", "03"]}, "type": "RETURN"}, {"type": "SALE"}]
    put(till, members := contract({"Kind": {}}, event_type=kinds))
    rows = [f"B{at},tea,1,1.00,{WHEN},{kind}" for at, kind in enumerate(["02", "2", "2.0", "01", "1", "12", ""])]
    sent(till, members, tmp_path, f"{HEADER},Kind", *rows)
    assert set(bad_rows(till)) == {3, 4}
    assert types(till) == {f"till-B{at}": "RETURN" if at == 0 else "SALE" for at in (0, 3, 4, 5, 6)}


@pytest.mark.parametrize(
    ("rules", "held"),
    [
        ([{"starts_with": "R"}], {"r2"}),
        ([{"starts_with": "R"}, {"starts_with": "r"}], set[str]()),
        ([{"starts_with": "RE"}], set[str]()),
        ([{"equals": "R1"}], set[str]()),
        ([{"one_of": ["R1", "R2"]}], {"r2"}),
        ([{"equals": "b1"}], {"B1"}),
    ],
)
def test_only_what_would_be_another_kind_is_held(
    till: Till, tmp_path: Path, rules: list[dict[str, Any]], held: set[str]
) -> None:
    """Of one group, which is known: its number is spelled as it is."""
    kinds = [{"when": {"column": "Receipt", **rule}, "type": "RETURN"} for rule in rules]
    put(till, members := contract({}, event_type=[*kinds, {"type": "SALE"}]))
    sent(till, members, tmp_path, HEADER, *(f"{name},tea,1,1.00,{WHEN}" for name in ("R1", "r2", "B1", "pear")))
    assert {group for group, _ in bad_rows(till).values()} == held
    assert len(types(till)) == 4 - len(held)


def test_a_receipt_in_two_cases_holds_all_if_it_is_not_known_which_it_is(till: Till, tmp_path: Path) -> None:
    kinds = [{"when": {"column": "Receipt", "starts_with": "R"}, "type": "RETURN"}, {"type": "SALE"}]
    put(till, members := contract({}, event_type=kinds))
    sent(till, members, tmp_path, HEADER, *(f"{name},tea,1,1.00,{WHEN}" for name in ("R1", "r1", "B1")))
    assert bad_rows(till) == {2: ("R1", ["group"]), 3: (None, ["event"]), 4: ("B1", ["group"])}
    assert types(till) == {}


def test_a_kind_that_makes_the_same_event_may_be_in_any_case(till: Till, tmp_path: Path) -> None:
    """`sale` falls to the last rule, which makes a sale of it, too."""
    sale = {"when": {"column": "Kind", "equals": "SALE"}, "type": "SALE"}
    put(till, members := contract({"Kind": {}}, event_type=[sale, *KINDS]))
    rows = [f"B1,tea,1,1.00,{WHEN},sale", f"B2,tea,1,1.00,{WHEN},SALE", f"B3,tea,1,1.00,{WHEN},REFUND"]
    sent(till, members, tmp_path, f"{HEADER},Kind", *rows)
    assert (types(till), bad_rows(till)) == ({"till-B1": "SALE", "till-B2": "SALE", "till-B3": "RETURN"}, {})


@pytest.mark.parametrize("store", [{"column": "Store"}, {"template": "shop {Store}"}])
def test_a_padded_export_of_the_same_sales_is_a_duplicate(till: Till, tmp_path: Path, store: dict[str, str]) -> None:
    fields = CONTRACT["events"]["fields"] | {"store_id": store, "event_id": {"template": "{Store}-{Receipt}"}}
    members = contract({"Store": {}, "Cur": {}}, fields=fields | {"currency": {"column": "Cur"}})
    put(till, members)
    header = f"{HEADER},Store,Cur"
    rows = [f"501,tea,1,1.00,{WHEN},S1,EUR", f"501,jam,1,2.00,{WHEN},S1 ,EUR "]
    assert sent(till, members, tmp_path, header, *rows)[1] == {"processed": 1}
    padded = [f"501   ,tea,1,1.00,{WHEN},S1   ,EUR  ", f"501   ,jam,1,2.00,{WHEN},S1   ,EUR  "]
    assert sent(till, members, tmp_path, header, *padded)[1] == {"duplicate": 1}
    assert (set(types(till)), bad_rows(till)) == ({"S1-501"}, {})


def test_a_store_that_is_a_number_is_one_however_it_is_spelled(till: Till, tmp_path: Path) -> None:
    fields = CONTRACT["events"]["fields"] | {"store_id": {"column": "Store"}}
    put(till, members := contract({"Store": {"type": "integer"}}, fields=fields))
    rows = [f"501,tea,1,1.00,{WHEN},07", f"501,jam,1,2.00,{WHEN},7"]
    assert sent(till, members, tmp_path, f"{HEADER},Store", *rows)[1] == {"processed": 1}
    assert bad_rows(till) == {}
