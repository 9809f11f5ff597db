"""A real year of a retailer as the files that it wrote, by a contract and no code, equals its exact sums; and whichever
way it came before, by file or by event, bringing it again changes nothing.
"""

import csv
import io
import random
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.attack.judge import broken
from tests.attack.stand import FULL, eventually, fresh_seed, standing
from tests.attack.test_books_oracle import (
    CAUGHT_UP,
    MONTH,
    SOME_ROWS,
    TENANT,
    Shop,
    assert_equal,
    assert_mended,
    mend,
)
from tests.pipeline import oracle
from tests.pipeline.posting import Till
from tests.pipeline.real_days import daily_files

pytestmark = [pytest.mark.together, pytest.mark.attack, pytest.mark.shared, pytest.mark.timeout(1800 if FULL else 400)]

CONTRACT = Path(__file__).parents[1] / "contracts" / "online_retail.yaml"
PACKED = "online_retail/daily.tar.zst"
ODD_MONTH = "2010-02"
"""Whose days are brought with their lines in another order: the one with the cancellation that is parked."""


class FileShop(Shop):
    """The same shop, which brings its days as files."""

    def put(self) -> None:
        """The one contract."""
        assert self.run("contracts", "put", str(CONTRACT), "--tenant", TENANT)["changed"] is True

    def bring(self, days: Mapping[str, bytes], folder: str) -> list[dict[str, Any]]:
        """Deliver them all, as a person does; the deliveries, worked through, once the workers have done with them."""
        inside = self.folder / folder
        inside.mkdir(exist_ok=True)
        for name, body in days.items():
            (inside / name).write_bytes(body)
        paths = [str(inside / name) for name in days]
        began = time.monotonic()
        items = self.run("files", "ingest", *paths, "--dataset", "online_retail", "--tenant", TENANT, "--wait")["items"]
        ingested = time.monotonic() - began
        waited = eventually(lambda: not any(broken(self.till.superuser, name) for name in CAUGHT_UP), 600)
        rows = sum(one["rows_in"] for one in items)
        print(f"{len(items)} files, {rows} rows in {ingested:.1f} s, posted and in gold {waited:.1f} s later")
        assert [one["filename"] for one in items] == list(days)
        assert {(one["status"], one["rows_bad"], one["reason_code"]) for one in items} == {("succeeded", 0, None)}
        assert rows == sum(len(lines_of(body)) for body in days.values())
        return items

    def held(self) -> list[tuple[Any, ...]]:
        """(event, reason, state, arrivals, whether all of them said the same) of whatever was ever parked."""
        return self.till.rows(
            """SELECT idempotency_key, reason_code, e.status, e.arrivals, raw_id = last_raw_id
            FROM quarantine.exceptions e WHERE tenant_id = %s"""
        )


def test_files_and_then_events(tmp_path: Path, shared: Path, days: dict[str, bytes]) -> None:
    """In this order: brought, equal, brought again, sent as events, brought in another order; mended, and once more."""
    with shop_of(tmp_path, shared, workers=1) as shop:
        number = len(shop.sent)
        shop.put()
        brought = shop.bring(days, "days")
        assert [one["duplicate"] for one in brought] == [False] * len(days)
        assert outcomes(brought) == {"processed": number - 1, "quarantined": 1}
        assert shop.held() == [(oracle.ODD, "NEGATIVE_AMOUNT", "open", 1, True)]
        assert_the_same_events(shop)
        assert_equal(shop)
        shop.verified()
        before = shop.digest()
        assert all(before[name][0] for name in SOME_ROWS)
        assert_delivered_twice(shop, days, brought)
        assert shop.send() == {("duplicate", None): number - 1, ("quarantined", "ALREADY_QUARANTINED"): 1}
        assert_shuffled(shop, days, {"quarantined": 1})
        assert shop.held() == [(oracle.ODD, "NEGATIVE_AMOUNT", "open", 3, True)]
        assert shop.digest() == before
        mend(shop)
        assert_mended(shop)
        shop.verified()
        after = shop.digest()
        assert_shuffled(shop, days, {})
        assert shop.digest() == after
        shop.verified()


def test_events_and_then_files(tmp_path: Path, shared: Path, days: dict[str, bytes]) -> None:
    """What came over HTTP, comes again by file: all of it is known."""
    with shop_of(tmp_path, shared, workers=2) as shop:
        number = len(shop.sent)
        assert shop.send() == {("processed", None): number - 1, ("quarantined", "NEGATIVE_AMOUNT"): 1}
        before = shop.digest()
        shop.put()
        brought = shop.bring(days, "days")
        assert outcomes(brought) == {"duplicate": number - 1, "quarantined": 1}
        assert shop.held() == [(oracle.ODD, "NEGATIVE_AMOUNT", "open", 2, True)]
        assert shop.till.count("gate.payloads") == number, "no event came with another payload"
        assert shop.digest() == before
        assert_equal(shop)
        shop.verified()


@pytest.fixture(scope="module")
def days(shared: Path) -> dict[str, bytes]:
    """The daily files."""
    found = daily_files(shared, PACKED, MONTH)
    assert len(found) == 299 or MONTH
    return found


@contextmanager
def shop_of(folder: Path, shared: Path, *, workers: int) -> Generator[FileShop]:
    """A whole Ledgersafe with nothing in it but a tenant's settings."""
    with (
        standing(folder, raw_zone=str(folder / "raw")) as stand,
        psycopg.connect(stand.of.superuser_url, autocommit=True) as superuser,
    ):
        database = stand.of.open(size=2)
        till = Till(database, superuser, TENANT, datetime.now(UTC))
        till.set(time_zone="Europe/London", currency="GBP")
        programs = [stand._program(f"worker-{number}", "ledgersafe", "work") for number in range(workers)]
        for program in programs:
            program.start()
        try:
            yield FileShop(stand, till, shared, folder)
        finally:
            for program in programs:
                program.stop()
            database.close()


def assert_the_same_events(shop: Shop) -> None:
    """Each event once, and word by word what the other road sends."""
    found = shop.till.rows("SELECT event_id, payload_json FROM bronze.events WHERE tenant_id = %s")
    assert len(found) == len(shop.sent)
    assert dict(found) == {event["event_id"]: event for event in shop.sent}


def assert_delivered_twice(shop: FileShop, days: Mapping[str, bytes], first: list[dict[str, Any]]) -> None:
    """The same bytes are the deliveries that they were; nothing arrives."""
    arrivals = shop.till.count("bronze.events_raw")
    again = shop.bring(days, "days")
    assert again == [one | {"duplicate": True} for one in first]
    assert shop.till.count("files.ingestions") == len(first)
    assert shop.till.count("bronze.events_raw") == arrivals


def assert_shuffled(shop: FileShop, days: Mapping[str, bytes], others: dict[str, int]) -> None:
    """The days of a month with their lines in another order: other bytes, and not one other event."""
    chance = random.Random(fresh_seed())  # noqa: S311 - it must be repeatable
    mixed = {name: shuffled(body, chance) for name, body in days.items() if name.startswith(ODD_MONTH)}
    assert all(body != days[name] for name, body in mixed.items())
    brought = shop.bring(mixed, "mixed")
    assert [one["duplicate"] for one in brought] == [False] * len(mixed)
    events = len({line[0] for body in mixed.values() for line in lines_of(body)})
    assert outcomes(brought) == {"duplicate": events - sum(others.values())} | others
    assert shop.till.count("gate.payloads") == len(shop.sent)


def shuffled(body: bytes, chance: random.Random) -> bytes:
    lines = lines_of(body)
    chance.shuffle(lines)
    written = io.StringIO(newline="")
    csv.writer(written).writerows([next(csv.reader(io.StringIO(body.decode(), newline=""))), *lines])
    return written.getvalue().encode()


def lines_of(body: bytes) -> list[list[str]]:
    """Without the header."""
    return list(csv.reader(io.StringIO(body.decode(), newline="")))[1:]


def outcomes(items: list[dict[str, Any]]) -> dict[str, int]:
    """What became of the events of all these deliveries."""
    found: Counter[str] = Counter()
    for one in items:
        found.update(one["outcomes"])
    return dict(found)
