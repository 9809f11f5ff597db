"""The part of the demo with files: good rows go in, a bad one is put right, drifted columns hold a file."""

import time
from collections.abc import Mapping
from typing import Any

from ledgersafe.cli.demo_parts import Part
from ledgersafe.cli.output import items_of, members_of
from ledgersafe.client.api import ApiClient

SHOP = "tenant_files"
_DATASET = "till_days"
_PATIENCE_SECONDS = 30.0
_NOTES = "decided in the demo"

_TAKINGS: dict[str, Any] = {"type": "decimal(12,2)", "decimal": ",", "thousands": ".", "required": True}
_CONTRACT: dict[str, Any] = {
    "dataset": _DATASET,
    "primary_key": ["till", "day"],
    "columns": {
        "till": {"required": True},
        "day": {"type": "date", "format": "%d/%m/%Y", "required": True},
        "takings": _TAKINGS,
    },
}
_WITH_ALIAS = _CONTRACT | {"columns": _CONTRACT["columns"] | {"takings": _TAKINGS | {"aliases": ["Umsatz"]}}}

_MONDAY = "till;day;takings\nT-1;02/02/2026;1.234,50\nT-2;02/02/2026;(3,00)\nT-3;02/02/2026;12,x0\n"
_TUESDAY = "till;day;Umsatz\nT-1;03/02/2026;800,00\n"


def files(client: ApiClient) -> Part:
    """Part 4: two files on their way into a table."""
    steps = _Steps(client)
    steps.put(_CONTRACT, "version 1")
    monday = steps.deliver("a file of three rows", "monday.csv", _MONDAY, "succeeded: 2 rows good, 1 bad")
    steps.look_at_bad_rows(monday, "row 4, takings, type: 12,x0")
    steps.deliver("the same file again", "monday.csv", _MONDAY, "a duplicate: succeeded: 2 rows good, 1 bad")
    steps.mend(monday, {"takings": "12,50"}, "replayed, 1 row loaded")
    tuesday = steps.deliver(
        "a file that calls takings Umsatz", "tuesday.csv", _TUESDAY, "quarantined: SCHEMA_DRIFT, nothing is loaded"
    )
    steps.put(_WITH_ALIAS, "version 2")
    steps.replay(tuesday, "succeeded: 1 row good, 0 bad")
    steps.look_at_table("T-1 1234.50, T-2 -3.00, T-3 12.50, T-1 800.00")
    return Part(
        "4. Files",
        "A contract says what a valid file is. The file is kept, its good rows are loaded, and each bad one is held "
        "until a person puts it right or lets it go. A file whose columns have drifted too far loads nothing, until "
        "the contract knows them or another file comes. The same bytes count once.",
        ("step", "expected", "actual", ""),
        tuple(steps.rows),
    )


class _Steps:
    """What was done so far: a row of the part for each step."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.rows: list[tuple[Any, ...]] = []

    def put(self, contract: Mapping[str, Any], expected: str) -> None:
        answer = self._client.send("PUT", f"/v1/datasets/{_DATASET}/contract", contract, {"tenant_id": SHOP})
        self._note("a contract is put", expected, f"version {members_of(answer['contract'])['version']}")

    def deliver(self, words: str, filename: str, text: str, expected: str) -> str:
        """Upload a file, and wait until it is worked through; its id."""
        body = text.encode()
        asked = {"dataset": _DATASET, "filename": filename, "tenant_id": SHOP}
        answer = self._client.upload("/v1/ingestions", iter([body]), len(body), asked)
        name = str(answer["ingestion"]["ingestion_id"])
        self._note(words, expected, ("a duplicate: " if answer["duplicate"] else "") + self._ended(name))
        return name

    def replay(self, of: str, expected: str) -> None:
        answer = self._client.post(f"/v1/ingestions/{of}/replay", {"notes": _NOTES}, {"tenant_id": SHOP})
        self._note("the file is replayed", expected, self._ended(str(answer["ingestion_id"])))

    def look_at_bad_rows(self, of: str, expected: str) -> None:
        answer = members_of(self._client.get(f"/v1/ingestions/{of}/bad_rows", {"tenant_id": SHOP}))
        found = [
            f"row {row['row_number']}, {fault['column']}, {fault['rule']}: {fault['value']}"
            for row in items_of(answer["items"])
            for fault in items_of(row["faults"])
        ]
        self._note("its bad row", expected, "; ".join(found))

    def mend(self, of: str, patch: Mapping[str, str], expected: str) -> None:
        wish = {"rows": [{"row_number": 4, "patch": patch}], "notes": _NOTES}
        answer = self._client.post(f"/v1/ingestions/{of}/bad_rows/replay", wish, {"tenant_id": SHOP})
        said = ", ".join(f"{column} {value}" for column, value in patch.items())
        self._note(f"row 4 with {said}", expected, f"{answer['status']}, {answer['inserted']} row loaded")

    def look_at_table(self, expected: str) -> None:
        answer = members_of(self._client.get(f"/v1/datasets/{_DATASET}/curated/sample", {"tenant_id": SHOP}))
        rows = sorted(items_of(answer["rows"]), key=lambda row: (row["day"], row["till"]))
        self._note("the table", expected, ", ".join(f"{row['till']} {row['takings']}" for row in rows))

    def _ended(self, name: str) -> str:
        """How a delivery ended, or where it is when patience ends."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = members_of(self._client.get(f"/v1/ingestions/{name}", {"tenant_id": SHOP}))
            if found["status"] not in ("received", "processing") or time.monotonic() > end:
                break
            time.sleep(0.05)
        if found["status"] == "succeeded":
            good = found["rows_ok"]
            return f"succeeded: {good} row{'' if good == 1 else 's'} good, {found['rows_bad']} bad"
        return f"{found['status']}: {found['reason_code']}, nothing is loaded"

    def _note(self, words: str, expected: str, actual: str) -> None:
        self.rows.append((words, expected, actual, actual == expected))
