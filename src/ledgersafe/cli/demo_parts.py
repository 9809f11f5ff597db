"""Parts of the demo, each against a running API: what was expected, what came, whether it is the same."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from ledgersafe.client.api import ApiClient, problem_parts
from ledgersafe.kernel.clock import Clock
from ledgersafe.simulator.sender import Report, send
from ledgersafe.simulator.traffic import ExpectedCounts, Outcome, expected_counts, mixed_traffic

TENANT = "tenant_demo"
STORES_TENANT = "tenant_stores"
_MOST_DIFFERENCES = 10

SEED_EVENT: dict[str, Any] = {
    "schema_version": "1.0",
    "tenant_id": TENANT,
    "store_id": "store_001",
    "source_system": "pos_sim",
    "event_id": "evt-1001",
    "source_event_id": "src-1001",
    "event_type": "SALE",
    "occurred_at": "2026-02-25T00:00:00Z",
    "txn_id": "txn-9001",
    "currency": "USD",
    "total_amount": 42.5,
    "line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": 30.0}, {"sku": "SKU-BBB", "qty": 1, "amount": 12.5}],
}
CHANGED = SEED_EVENT | {"total_amount": 52.5, "line_items": [{"sku": "SKU-AAA", "qty": 1, "amount": 52.5}]}
MYSTERY = SEED_EVENT | {
    "event_id": "evt-1002",
    "source_event_id": "src-1002",
    "txn_id": "txn-9002",
    "event_type": "MYSTERY",
}

SCENARIOS: tuple[tuple[str, dict[str, Any], Outcome], ...] = (
    ("a sale, evt-1001", SEED_EVENT, Outcome(201, "processed", None)),
    ("the same again: a retry", SEED_EVENT, Outcome(200, "duplicate", None)),
    ("evt-1001 with another total", CHANGED, Outcome(202, "quarantined", "IDEMPOTENCY_CONFLICT")),
    ("evt-1002 of a type nobody knows", MYSTERY, Outcome(202, "quarantined", "UNKNOWN_EVENT_TYPE")),
)
"""What is sent, in words; the event; the answer that must come."""

_SHOWN = ("every_arrival", "posted_keys", "gross_in", "returns_in", "net_in")
_PATIENCE_SECONDS = 60.0
_AFTER_DECISIONS = ExpectedCounts(arrivals=11, keys_processed=2, keys_quarantined=0, exceptions_open=0)
_AFTER_BOOKS = ExpectedCounts(arrivals=10, keys_processed=9, keys_quarantined=1, exceptions_open=1)
_IGNORED_BY_DECISIONS = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the demo. The last cell of each row says whether it is right.

    `varying` is a line that differs from run to run (times, rates); `remarks` do not.
    """

    title: str
    explanation: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    remarks: tuple[str, ...] = ()
    varying: str | None = None

    def ok(self) -> bool:
        """Whether everything in it came out right."""
        return all(row[-1] for row in self.rows)


def scenarios(client: ApiClient) -> Part:
    """Part 1: four arrivals that tell the whole idea."""
    rows: list[tuple[Any, ...]] = []
    for words, event, expected in SCENARIOS:
        response = client.post_raw("/v1/events", orjson.dumps(event), "application/json")
        if response.is_success:
            answer: Any = orjson.loads(response.content)
            actual = Outcome(response.status_code, answer["result"], answer["reason_code"])
        else:
            actual = Outcome(response.status_code, None, problem_parts(response)[0])
        rows.append((words, in_words(expected), in_words(actual), expected == actual))
    return Part(
        "1. Four arrivals",
        "Every arrival is kept. A retry counts once; the same key with other content is held until a person decides.",
        ("arrival", "expected", "actual", ""),
        tuple(rows),
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """What part 5 is to send."""

    events: int
    seed: int
    clock: Clock


def mixed(client: ApiClient, api_key: str, wanted: Traffic, answered: Callable[[int], None]) -> tuple[Part, Report]:
    """Part 5: a crowd of stores, with every fault that stores make, at full speed. Also: the report, for part 6."""
    planned = mixed_traffic(wanted.seed, wanted.events, STORES_TENANT, wanted.clock.now())
    report = send(planned, client.url, api_key, answered=answered)
    differences = report.differences()
    rows = [(*outcome, expected, actual, expected == actual) for outcome, expected, actual in report.by_outcome()]
    wrong = len(differences)
    rows.append((None, "event by event", "answered otherwise", 0, wrong, wrong == 0))
    remarks = [
        f"{each.planned.kind} {each.planned.key or each.planned.lane}: expected {in_words(each.planned.expected)}, "
        f"answered {in_words(each.actual)}"
        for each in differences[:_MOST_DIFFERENCES]
    ]
    part = Part(
        f"5. {wanted.events:,} mixed events",
        "Sales, returns, corrections, retries, conflicts, late and broken events, by both doors at once; the answer to "
        "each is known beforehand.",
        ("status>", "result", "reason_code", "expected>", "actual>", ""),
        tuple(rows),
        tuple(remarks),
        f"{report.seconds:.1f} s, {report.rate():,.0f} events/s; the sender runs on the same machine.",
    )
    return part, report


def invariants(client: ApiClient, report: Report) -> Part:
    """Part 6: what must always hold, counted by the API from its tables, and the counts that the plan leads to."""
    verified = _verified(client)
    rows = [row for tenant in verified["tenants"] for row in _check_rows(tenant)]
    rows += [(None, *row) for row in _count_rows(client.get("/v1/health")["counts"], report)]
    rows.append((None, "everything ties out", True, bool(verified["ok"]), bool(verified["ok"])))
    return Part(
        "6. What must always hold",
        "Counted anew from the tables, once everything is posted: nothing lost, nothing twice, every parked event with "
        "its reason; money in the ledger and in gold is that of the lines, to the last digit. Where no tenant is "
        "named, the numbers of the plan (left) and of the API (right).",
        ("tenant", "check", "left>", "right>", ""),
        tuple(rows),
    )


def _verified(client: ApiClient) -> dict[str, Any]:
    """What `verify` says, as soon as nothing waits to be posted or for gold; or when patience ends."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = client.get("/v1/verify")
        details = [check["details"] for tenant in found["tenants"] for check in tenant["checks"]]
        if time.monotonic() > end or not any("more wait" in one or "are pending" in one for one in details):
            return found
        time.sleep(0.5)


def _check_rows(tenant: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What counts most, and whatever is off; how many of the others there are."""
    checks: list[dict[str, Any]] = tenant["checks"]
    shown = [check for check in checks if not check["ok"] or check["name"].startswith(_SHOWN)]
    rows = [(tenant["tenant_id"], one["name"], one["left"], one["right"], bool(one["ok"])) for one in shown]
    good = sum(bool(check["ok"]) for check in checks)
    return [*rows, (tenant["tenant_id"], "all checks", len(checks), good, good == len(checks))]


def in_words(outcome: Outcome) -> str:
    """An outcome in one line: "202 quarantined TOTALS_MISMATCH"."""
    return " ".join(str(each) for each in outcome if each is not None)


def _count_rows(counts: dict[str, Any], report: Report) -> Iterable[tuple[str, int, int, bool]]:
    """(what, the plan's number, the API's, whether they are the same)."""
    planned = expected_counts(report.planned)
    wanted = ExpectedCounts(*map(sum, zip(planned, _AFTER_DECISIONS, _AFTER_BOOKS, strict=True)))
    keys = counts["idempotency"]
    actual = ExpectedCounts(counts["events_raw"], keys["processed"], keys["quarantined"], counts["exceptions_open"])
    for name, left, right in zip(ExpectedCounts._fields, wanted, actual, strict=True):
        yield name.replace("_", " "), left, right, left == right
    yield "keys ignored", _IGNORED_BY_DECISIONS, keys["ignored"], keys["ignored"] == _IGNORED_BY_DECISIONS
