"""Eighty real daily files with three versions of their header become one table, by a contract and no code.

What must come of them is reckoned here from the raw files, by Python's csv alone.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledgersafe.contracts.datasets.headers import schema_hash
from ledgersafe.files import store as files
from tests.pipeline.delivering import Desk
from tests.pipeline.real_days import daily_files

pytestmark = pytest.mark.shared

CONTRACT = Path(__file__).parents[1] / "contracts" / "covid_daily.yaml"
Names = tuple[str, ...]
FIRST: Names = ("Province/State", "Country/Region", "Last Update", "Confirmed", "Deaths", "Recovered")
SECOND: Names = (*FIRST, "Latitude", "Longitude")
THIRD: Names = (
    "FIPS", "Admin2", "Province_State", "Country_Region", "Last_Update", "Lat", "Long_", "Confirmed", "Deaths",
    "Recovered", "Active", "Combined_Key",
)  # fmt: skip
"""The three headers."""
FILES: dict[Names, int] = {FIRST: 39, SECOND: 21, THIRD: 20}
FIRST_DAY: dict[Names, str] = {FIRST: "01-22-2020.csv", SECOND: "03-01-2020.csv", THIRD: "03-22-2020.csv"}
BEFORE: dict[Names, Names] = {FIRST: (), SECOND: FIRST, THIRD: SECOND}
SPELLED = {"Province/State": "Province_State", "Country/Region": "Country_Region", "Last Update": "Last_Update"}
OTHERWISE = {"Latitude": "Lat", "Longitude": "Long_"}
NEW = ["FIPS", "Admin2", "Active", "Combined_Key"]
"""What only the third has."""
STAMPS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%m/%d/%y %H:%M", "%m/%d/%Y %H:%M")
Key = tuple[str, str, str, datetime]
Row = tuple[int | None, ...]


@pytest.fixture(scope="module")
def days(shared: Path) -> dict[str, bytes]:
    found = daily_files(shared, "covid_daily/daily_v1_v3.tar.zst")
    assert Counter(map(header_of, found.values())) == FILES
    return found


@pytest.mark.parametrize("policy", ["warn", "fail", "allow"])
def test_one_contract_for_three_headers(desk: Desk, days: Mapping[str, bytes], policy: str) -> None:
    """Its names are those of the third header; aliases say what the others called them."""
    desk.put(yaml.safe_load(CONTRACT.read_text(encoding="utf-8")) | {"drift_policy": policy})
    done = {name: desk.deliver("covid_daily", name, body) for name, body in days.items()}
    missing: dict[Names, list[str]] = {FIRST: [*NEW[:2], *OTHERWISE.values(), *NEW[2:]], SECOND: NEW, THIRD: []}
    renamed: dict[Names, dict[str, str]] = {FIRST: SPELLED, SECOND: SPELLED | OTHERWISE, THIRD: {}}
    for name, one in done.items():
        header = header_of(days[name])
        report = drift_of(one)
        assert (report["removed"], report["added"], report["breaking"]) == (missing[header], [], False), name
        assert {found["column"]: found["is"] for found in report["renamed"]} == renamed[header], name
        assert told(one) == what_it_says(policy, drifted=header != THIRD), name
        assert_told_from_the_one_before(name, header, report)
    loaded = [name for name in days if policy != "fail" or header_of(days[name]) == THIRD]
    assert_loaded(desk, {name: done[name] for name in loaded}, {name: days[name] for name in loaded})
    assert_headers_are_remembered(desk, "covid_daily")


def test_a_contract_of_before_the_third_header(desk: Desk, days: Mapping[str, bytes]) -> None:
    """Nobody has told it of other names: it takes the files that it was written for, and says what the others are."""
    desk.put(of_the_second_header())
    done = {name: desk.deliver("covid_before", name, body) for name, body in days.items()}
    moved = [{"column": new, "could_be": old} for old, new in OTHERWISE.items()]
    expected: dict[Names, tuple[list[str], list[str], list[dict[str, str]]]] = {
        FIRST: ([], ["Latitude", "Longitude"], []),
        SECOND: ([], [], []),
        THIRD: ([*NEW[:2], *OTHERWISE.values(), *NEW[2:]], ["Latitude", "Longitude"], moved),
    }
    for name, one in done.items():
        header = header_of(days[name])
        report = drift_of(one)
        assert (report["added"], report["removed"], report["suggested_renames"]) == expected[header], name
        assert told(one) == what_it_says("fail", drifted=header != SECOND), name
    assert Counter(one.status for one in done.values()) == {"succeeded": 21, "quarantined": 59}
    assert done[FIRST_DAY[THIRD]].detail == (
        "The file lacks Latitude, Longitude and has besides its contract FIPS, Admin2, Lat, Long_, Active, Combined_Key. "
        "Perhaps renamed: Lat could be Latitude; Long_ could be Longitude. The contract's drift_policy is fail."
    )
    of_second = {name: body for name, body in days.items() if header_of(body) == SECOND}
    found = desk.rows("covid_before", "country_region, province_state, '', last_update, confirmed, deaths, recovered")
    assert {row[:4]: row[4:] for row in found} == wanted(of_second.values())[0]
    assert_headers_are_remembered(desk, "covid_before")


def of_the_second_header() -> dict[str, Any]:
    members = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    ours = {theirs: name for name, theirs in (SPELLED | OTHERWISE).items()}
    columns = {ours.get(name, name): column for name, column in members["columns"].items() if name not in NEW}
    for old in OTHERWISE:
        del columns[old]["aliases"]
    key = ["Country/Region", "Province/State", "Last Update"]
    return members | {"dataset": "covid_before", "primary_key": key, "columns": columns, "drift_policy": "fail"}


def told(of: files.Ingestion) -> tuple[str, str | None, bool]:
    return of.status, of.reason_code, (of.detail or "").startswith("The file ")


def what_it_says(policy: str, *, drifted: bool) -> tuple[str, str | None, bool]:
    """(status, reason, whether a sentence tells of the drift)."""
    if drifted and policy == "fail":
        return "quarantined", "SCHEMA_DRIFT", True
    return "succeeded", None, drifted and policy == "warn"


def assert_told_from_the_one_before(name: str, header: Names, report: dict[str, Any]) -> None:
    """The columns of two days running differ on two days only."""
    before = BEFORE[header] if name == FIRST_DAY[header] else header
    added = [column for column in header if before and column not in before]
    removed = [column for column in before if column not in header]
    assert (report["since_last"]["added"], report["since_last"]["removed"]) == (added, removed), name


def assert_loaded(desk: Desk, done: Mapping[str, files.Ingestion], raw: Mapping[str, bytes]) -> None:
    """One table of these files; rows of a file that share their key are all held."""
    rows, held = wanted(raw.values())
    assert {name: (one.rows_in, one.rows_bad) for name, one in done.items()} == {
        name: (len(rows_of(body)), repeated) for (name, body), repeated in zip(raw.items(), held, strict=True)
    }
    assert sum(held) > 0
    found = desk.rows(
        "covid_daily", "country_region, province_state, admin2, last_update, confirmed, deaths, recovered"
    )
    assert len(found) == len(rows)
    assert {row[:4]: row[4:] for row in found} == rows


def assert_headers_are_remembered(desk: Desk, dataset: str) -> None:
    """Also those of files that were held."""
    with desk.db.snapshot() as tx:
        seen = files.schemas(tx, desk.tenant, dataset, 10).all()
    assert [(one.schema_hash.hex(), one.deliveries) for one in reversed(seen)] == [
        (schema_hash(header), number) for header, number in FILES.items()
    ]


def wanted(raw: Iterable[bytes]) -> tuple[dict[Key, Row], list[int]]:
    """The table that these files make, the later over the earlier; and how many rows of each are held."""
    table: dict[Key, Row] = {}
    held: list[int] = []
    for body in raw:
        rows = rows_of(body)
        count = Counter(key for key, _ in rows)
        table |= {key: row for key, row in rows if count[key] == 1}
        held.append(sum(number for number in count.values() if number > 1))
    return table, held


@cache
def rows_of(body: bytes) -> list[tuple[Key, Row]]:
    """Each row's key, and its three numbers."""
    found: list[tuple[Key, Row]] = []
    for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")):
        said = {SPELLED.get(name, name): text for name, text in row.items()}
        key = (said["Country_Region"], said["Province_State"], said.get("Admin2", ""), instant(said["Last_Update"]))
        numbers = tuple(int(said[name]) if said[name] else None for name in ("Confirmed", "Deaths", "Recovered"))
        found.append((key, numbers))
    return found


def instant(text: str) -> datetime:
    """As one of the shapes has it; %Y takes four digits here."""
    for stamp in STAMPS:
        try:
            return datetime.strptime(text, stamp).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise AssertionError(text)


def header_of(body: bytes) -> Names:
    return tuple(next(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""))))


def drift_of(of: files.Ingestion) -> dict[str, Any]:
    assert of.drift is not None
    return of.drift
