"""Whatever is sent as a contract is refused with its faults, or can be used: to the end, and in every form."""

import json
from typing import Any

import orjson
from hypothesis import HealthCheck, event, given, settings

from ledgersafe.contracts.datasets.checking import check
from ledgersafe.contracts.datasets.diff import diff
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.reading import checked, ours
from ledgersafe.contracts.datasets.trial import _rows  # pyright: ignore[reportPrivateUsage]
from ledgersafe.contracts.datasets.writing import as_json_schema, as_odcs, members_of
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline.datasets import read_contract
from tests.contracts.wild_contracts import contracts


def read(members: dict[str, Any]) -> Dataset | None:
    """As the API reads it; None where it is refused, which says why."""
    try:
        return read_contract(json.dumps(members), is_json=True)
    except RequestRefused as refused:
        if refused.reason.code != "INVALID_CONTRACT" or not refused.faults:
            raise
        return None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(contracts(), contracts())
def test_a_contract_is_refused_or_can_be_used(members: dict[str, Any], other: dict[str, Any]) -> None:
    found, before = read(members), read(other)
    event("taken" if found is not None else "refused")
    if found is None:
        return
    stored = orjson.dumps(members_of(found))
    assert checked(orjson.loads(stored)).shape == found.shape
    assert checked(ours(orjson.loads(orjson.dumps(as_odcs(found))))).shape == found.shape
    orjson.dumps(as_json_schema(found))
    check(found, _rows(found.columns))
    if before is not None:
        diff(before, found, "full")
