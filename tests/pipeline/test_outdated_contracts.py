"""A contract that is on record, and that rules which came later refuse: it is told of, and can be replaced."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from ledgersafe.contracts.datasets.reading import InvalidContract, checked
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import datasets, replay_rows
from tests.pipeline.delivering import Desk
from tests.pipeline.prices import BY, PRICES, again, csv, with_

OUTDATED: dict[str, Any] = with_(columns=PRICES["columns"] | {"from": {"type": "date", "format": "%d/%m/%Y %I"}})


def put(desk: Desk, members: dict[str, Any]) -> datasets.Put:
    """As the API puts it."""
    contract = datasets.read_contract(orjson.dumps(members).decode(), is_json=True)
    return datasets.put_contract(desk.db, desk.tenant, members["dataset"], contract, "mended", BY)


def test_it_can_be_replaced_and_what_it_held_is_replayed(desk: Desk) -> None:
    desk.put(OUTDATED)
    done = desk.deliver("prices", "p.csv", csv("a,1,,"))
    assert (done.status, done.reason_code, done.attempts) == ("quarantined", "INVALID_CONTRACT", 1)
    assert "/columns/from/format" in (done.detail or "")
    assert done.contract_version == 1
    made = put(desk, PRICES)
    assert (made.contract.version, made.changed, list(made.changes)) == (2, True, [])
    assert put(desk, PRICES).changed is False
    assert again(desk, done).status == "succeeded"
    assert len(desk.rows("prices")) == 1


def test_whoever_needs_it_is_told(desk: Desk) -> None:
    desk.put(PRICES)
    done = desk.deliver("prices", "p.csv", csv("a,x,,", "b,1,,"))
    desk.put(OUTDATED)
    name = files.IngestionName(desk.tenant, done.ingestion_id)
    asked: list[Callable[[], object]] = [
        lambda: datasets.sample(desk.db, desk.tenant, "prices", 10),
        lambda: replay_rows.replay(desk.db, name, {2: {"price": "1"}}, "asked", BY),
    ]
    for ask in asked:
        with pytest.raises(RequestRefused) as found:
            ask()
        assert found.value.reason.code == "INVALID_CONTRACT"
        assert {fault.path for fault in found.value.faults} == {"/columns/from/format"}


def test_a_fault_of_a_contract_may_pass_through_a_context_manager(desk: Desk) -> None:
    """Which sets its traceback."""
    with pytest.raises(InvalidContract), desk.db.snapshot():
        checked(OUTDATED)
