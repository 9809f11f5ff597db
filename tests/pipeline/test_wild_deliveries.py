"""Whatever contract is put, a file of made-up values comes to an end by it that tells people something."""

import codecs
import csv
import io
import json
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings

from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.trial import sample
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import datasets
from tests.contracts.wild_contracts import contracts
from tests.pipeline.delivering import Desk
from tests.pipeline.prices import BY

_numbers = count()


def file_of(dataset: Dataset) -> bytes:
    """A header, rows that may be good, and some that are not."""
    source, text = dataset.shape.source, io.StringIO()
    lines = csv.writer(text, delimiter=source.delimiter or ",", lineterminator="\n")
    lines.writerow([column.name for column in dataset.columns])
    good = [sample(column) for column in dataset.columns]
    for row in (
        good,
        good,
        ["?"] * len(good),
        [f"€{one}" for one in good],
        ["", *good[1:]],
        [f"-{one}" for one in good],
    ):
        lines.writerow(row)
    return codecs.encode(text.getvalue(), source.encoding or "utf-8", "replace")


@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(members=contracts())
def test_no_contract_that_is_taken_fails_a_file(desk: Desk, members: dict[str, Any]) -> None:
    name = f"wild_{next(_numbers)}"
    try:
        found = datasets.read_contract(json.dumps(members | {"dataset": name}), is_json=True)
        datasets.put_contract(desk.db, desk.tenant, name, found, None, BY)
    except RequestRefused as refused:
        if refused.reason.code not in ("INVALID_CONTRACT", "CURATED_CLASH"):
            raise
        return
    done = desk.deliver(name, "wild.csv", file_of(found))
    event(f"{done.status} {done.reason_code}")
    assert (done.status in ("succeeded", "quarantined"), done.reason_code) != (True, "INTERNAL_ERROR"), done.detail
    assert done.status in ("succeeded", "quarantined"), done.detail
    if found.shape.kind == "table" and done.status == "succeeded":
        assert datasets.sample(desk.db, desk.tenant, name, 10) is not None
