"""One delivery as a person reads it: how it ended, and its reports."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from ledgersafe.cli.output import items_of, listing, members_of, record

_HEAD = (
    "ingestion_id", "tenant_id", "dataset", "filename", "source", "sha256", "size_bytes", "replay_of",
    "contract_version", "status", "reason_code", "detail", "attempts", "received_at", "received_by", "ended_at",
    "rows_in", "rows_ok", "rows_bad", "outcomes", "facts",
)  # fmt: skip
_IN_TABLE = ("inserted", "replaced", "unchanged", "older")


def shown(delivery: Mapping[str, Any]) -> Iterator[Table]:
    """Its head, what is wrong with it, what its columns hold, how they differ, what it became, what was decided."""
    quality = members_of(delivery["quality"])
    head = {name: delivery[name] for name in _HEAD if delivery[name] is not None}
    yield record("Delivery", head | _in_table(quality) | _of_bad_rows(delivery))
    if faults := [_with_its_first_row(rule) for rule in items_of(quality.get("rules"))]:
        yield listing("Faults, each with the first row that has it", faults, tuple(faults[0]))
    if columns := members_of(quality.get("columns")):
        yield listing("Values", [{"column": name} | members_of(of) for name, of in columns.items()])
    if drift := _without_what_is_empty(members_of(delivery["drift"])):
        yield record("Drift", drift)
    if lineage := members_of(delivery["lineage"]):
        yield record("Lineage", {"from": _names(lineage["inputs"]), "to": _names(lineage["outputs"])})
    if decided := items_of(delivery["audit"]):
        yield listing("Decisions", decided, ("occurred_at", "actor", "action", "after_json", "notes"))


def _in_table(quality: Mapping[str, Any]) -> dict[str, Any]:
    """What became of good rows, where they are rows of a table."""
    return {f"rows_{name}": quality[name] for name in _IN_TABLE if name in quality}


def _of_bad_rows(delivery: Mapping[str, Any]) -> dict[str, Any]:
    """How bad rows stand by now, where there are any."""
    counts = members_of(delivery.get("bad_rows"))
    return {f"bad_rows_{name}": count for name, count in counts.items()} if any(counts.values()) else {}


def _with_its_first_row(rule: Mapping[str, Any]) -> dict[str, Any]:
    nothing: Mapping[str, Any] = {}
    first = next(iter(items_of(rule.get("samples"))), nothing)
    return {name: rule.get(name) for name in ("column", "rule", "count")} | {
        name: first.get(name) for name in ("row", "value", "message")
    }


def _without_what_is_empty(drift: Mapping[str, Any]) -> dict[str, Any]:
    """Each kind of difference that there is; those to the file before by names of their own."""
    since = {f"{name}_since_last": value for name, value in members_of(drift.get("since_last")).items()}
    every = {name: value for name, value in drift.items() if name != "since_last"} | since
    return {name: value for name, value in every.items() if value != []}


def _names(datasets: object) -> str | None:
    found = [f"{one['namespace']}/{one['name']}" for one in items_of(datasets)]
    return ", ".join(found) or None
