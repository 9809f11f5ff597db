"""How a file's columns differ from its contract and from the file before, and what the contract says to that."""

from typing import Any

from ledgersafe.contracts.datasets.diff import widens
from ledgersafe.contracts.datasets.headers import Header
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.types import parse_type
from ledgersafe.files.store import SeenSchema
from ledgersafe.kernel.reasons import BAD_HEADER, SCHEMA_DRIFT
from ledgersafe.pipeline.deliveries.delivery import Rejected


def drift_report(dataset: Dataset, header: Header, types: dict[str, str], before: SeenSchema | None) -> dict[str, Any]:
    """The drift report. `types`: what the columns of this file look like; `before`: the header seen last.

    Breaking is what the contract cannot do without: a required column that is missing, or every column. What is new,
    is missing but optional, or looks like another type is not: rows whose values do not fit are held one by one.
    """
    lost = [name for name in header.missing if not dataset.column(name).may_be_missing]
    known = {} if before is None else before.columns
    return {
        "drifted": header.has_drifted,
        "breaking": bool(lost) or nothing_known(header),
        "policy": dataset.shape.drift_policy,
        "added": list(header.unknown),
        "removed": list(header.missing),
        "renamed": [{"column": new, "is": old} for new, old in header.renamed.items() if new != old],
        "required_and_missing": lost,
        "suggested_renames": [{"column": new, "could_be": old} for new, old in header.suggested],
        "since_last": {
            "added": [name for name in types if before is not None and name not in known],
            "removed": [name for name in known if name not in types],
            "types": [
                {"column": name, "was": known[name], "now": now, "change": _change(known[name], now)}
                for name, now in types.items()
                if name in known and known[name] != now
            ],
        },
    }


def hold_drifted(report: dict[str, Any]) -> None:
    """Whether a file with such columns may be loaded. Raises Rejected."""
    if not report["drifted"]:
        return
    told = told_of(report)
    if report["required_and_missing"]:
        raise Rejected(SCHEMA_DRIFT, f"{told} Without {', '.join(report['required_and_missing'])} no row can be good.")
    if report["breaking"]:
        raise Rejected(SCHEMA_DRIFT, f"{told} None of its columns is known: is its first row a header?")
    if report["policy"] == "fail":
        raise Rejected(SCHEMA_DRIFT, f"{told} The contract's drift_policy is fail.")


def nothing_known(header: Header) -> bool:
    """Whether the file has columns, and none of them is the contract's."""
    return bool(header.unknown) and not header.renamed


def hold_twofold(header: Header) -> None:
    """Whether it is certain which column is which. Raises Rejected."""
    if header.twofold:
        told = "; ".join(f"{first} and {second} could both be {column}" for first, second, column in header.twofold)
        raise Rejected(BAD_HEADER, f"{told[:2_000]}: name one of them exactly as the contract does.")


def told_of(report: dict[str, Any]) -> str:
    """The drift in a sentence or two."""
    parts = [("lacks", report["removed"]), ("has besides its contract", report["added"])]
    told = " and ".join(f"{verb} {', '.join(names[:20])}" for verb, names in parts if names)
    could_be = [f"{one['column']} could be {one['could_be']}" for one in report["suggested_renames"]]
    return f"The file {told}." + (f" Perhaps renamed: {'; '.join(could_be[:10])}." if could_be else "")


def _change(was: str, now: str) -> str:
    old, new = parse_type(was), parse_type(now)
    return "widened" if widens(old, new) else "narrowed" if widens(new, old) else "changed"
