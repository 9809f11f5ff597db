"""The files of export runs: read back with csv and with beancount's own loader, and equal to the trial balance."""

import csv
import tracemalloc
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from beancount import loader
from beancount.core.data import Commodity, Open, Transaction

from ledgersafe.db.database import Database
from ledgersafe.ledger.store import ExportAccount, StoredEntry, trial_balance
from ledgersafe.pipeline import export
from ledgersafe.pipeline.export_files import CSV_COLUMNS, BeancountFile, CsvFile, Exported, Heading, beancount_account
from ledgersafe.silver.store import Posted
from tests.pipeline.posting import Till
from tests.pipeline.test_export import by, fill, made, whole

Balances = dict[tuple[str, str], Decimal]
AWKWARD = ['=cmd|"/c calc"!A1', "+1", "-1", "@x", "'quoted'", 'a "b", c; d', "back\\slash", "ünï – 店", "  =1+1", "＝1"]


def books_of(db: Database, tenant: str, as_of: date | None = None) -> Balances:
    with db.snapshot() as tx:
        rows = trial_balance(tx, tenant, as_of, by_store=False).all()
    return {(row.account, row.currency): row.balance for row in rows}


def loaded(text: str, folder: Path) -> list[Any]:
    """What beancount makes of a file, without one error of parsing, booking or validation."""
    path = folder / "export.beancount"
    path.write_text(text, encoding="utf-8")
    entries, errors, _ = loader.load_file(str(path))
    assert errors == []
    return entries


def balances(entries: Iterable[Any]) -> Balances:
    """Account number and currency → balance, as beancount has them."""
    numbers = {entry.account: entry.meta["number"] for entry in entries if isinstance(entry, Open)}
    found: Balances = defaultdict(Decimal)
    for entry in entries:
        for posting in entry.postings if isinstance(entry, Transaction) else ():
            found[numbers[posting.account], posting.units.currency] += posting.units.number
    return dict(found)


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.count("\n") == text.count("\r\n")
    return list(csv.DictReader(StringIO(text, newline="")))


def unguarded(cell: str) -> str:
    return cell.removeprefix("'")


@pytest.fixture
def traded(till: Till) -> Till:
    """Sales, a return, a correction and a void, in two currencies, with names that are hard to quote."""
    till.send(*(till.sold(f"e{n}{text}", txn_id=text, store_id=text) for n, text in enumerate(AWKWARD)))
    till.send(till.sold(), till.sold("eur", currency="EUR", tax_amount="3.40", total_amount="45.90"))
    till.send(till.returned(), till.amended("CORRECTION", "c", of="txn-eur", currency="EUR", total_amount="42.5"))
    till.send(till.amended("VOID", "v", of="-1", store_id="-1"))
    assert till.held() == {}
    return till


def test_csv_tells_every_line_and_balances(traded: Till) -> None:
    run = made(traded.db, traded.tenant)
    rows = rows_of(whole(traded.db, traded.tenant, run.number))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len({row["entry_id"] for row in rows}) == run.entries
    found: Balances = defaultdict(Decimal)
    for row in rows:
        found[row["account"], row["currency"]] += Decimal(row["debit"]) - Decimal(row["credit"])
    assert dict(found) == books_of(traded.db, traded.tenant)
    assert {unguarded(row["store_id"]) for row in rows} == {*AWKWARD, "store_001"}
    sql = "SELECT entry_id::text, line_no, account, debit, credit, store_id FROM ledger.lines WHERE tenant_id = %s"
    assert {tuple(row) for row in traded.rows(sql)} == {
        (row["entry_id"], int(row["line_no"]), row["account"], Decimal(row["debit"]), Decimal(row["credit"]), unguarded(row["store_id"]))
        for row in rows
    }  # fmt: skip


def test_no_cell_is_a_formula(traded: Till) -> None:
    run = made(traded.db, traded.tenant)
    text = whole(traded.db, traded.tenant, run.number)
    cells = [cell for row in csv.reader(StringIO(text, newline="")) for cell in row]
    assert len([cell for cell in cells if cell.startswith("'")]) > len(AWKWARD)
    assert not [cell for cell in cells if cell.strip()[:1] in set("=+-@＝＋－＠") and cell]


def test_beancount_has_no_complaint_and_the_same_balances(traded: Till, tmp_path: Path) -> None:
    made(traded.db, traded.tenant)
    entries = loaded(whole(traded.db, traded.tenant, 1, "beancount"), tmp_path)
    assert balances(entries) == books_of(traded.db, traded.tenant)
    assert {entry.currency for entry in entries if isinstance(entry, Commodity)} == {"USD", "EUR"}
    transactions = [entry for entry in entries if isinstance(entry, Transaction)]
    assert {entry.payee for entry in transactions} == {*AWKWARD, "store_001"}
    ids = {str(row[0]) for row in traded.rows("SELECT entry_id FROM ledger.entries WHERE tenant_id = %s")}
    assert {entry.meta["entry-id"] for entry in transactions} == ids


def test_beancount_would_complain(traded: Till, tmp_path: Path) -> None:
    made(traded.db, traded.tenant)
    text = whole(traded.db, traded.tenant, 1, "beancount")
    assert " 42.5 USD" in text
    text = text.replace(" 42.5 USD", " 43.5 USD", 1)
    with pytest.raises(AssertionError, match="ValidationError"):
        loaded(text, tmp_path)


def test_runs_are_included_into_one_ledger(traded: Till, tmp_path: Path) -> None:
    """The first with its open directives, the others without: together they are the books."""
    made(traded.db, traded.tenant, date(2026, 2, 24))
    made(traded.db, traded.tenant)
    traded.send(traded.sold("later"))
    made(traded.db, traded.tenant)
    for number in (1, 2, 3):
        pieces = export.file(traded.db, traded.tenant, number, "beancount", by(), opens=number == 1)[1]
        (tmp_path / f"{number}.beancount").write_text("".join(pieces), encoding="utf-8")
    main = "".join(f'include "{number}.beancount"\n' for number in (1, 2, 3))
    assert balances(loaded(main, tmp_path)) == books_of(traded.db, traded.tenant)


def test_the_same_bytes_whatever_changes(traded: Till) -> None:
    made(traded.db, traded.tenant)
    before = {form: whole(traded.db, traded.tenant, 1, form) for form in ("csv", "beancount")}
    traded.send(traded.sold("more"))
    traded.rows("UPDATE ledger.accounts SET name = 'renamed' WHERE tenant_id = %s RETURNING 1")
    made(traded.db, traded.tenant)
    export.void(traded.db, traded.tenant, 1, "to see", by())
    made(traded.db, traded.tenant)
    assert before == {form: whole(traded.db, traded.tenant, 1, form) for form in ("csv", "beancount")}
    assert "renamed" in whole(traded.db, traded.tenant, 2)


def test_pages_follow_each_other(traded: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost or doubled where a page ends, and the size of pages leaves no trace in the file."""
    run = made(traded.db, traded.tenant)
    text = whole(traded.db, traded.tenant, run.number)
    export.void(traded.db, traded.tenant, run.number, "to compare", by())
    monkeypatch.setattr(export, "PAGE", 3)
    again = made(traded.db, traded.tenant)
    assert again.pages > 4
    one, two = (rows_of(it) for it in (text, whole(traded.db, traded.tenant, again.number)))
    assert [row | {"run": ""} for row in one] == [row | {"run": ""} for row in two]


def test_a_large_file_takes_no_more_memory(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 500)
    peaks: list[int] = []
    for entries in (1_000, 8_000):
        fill(till.superuser, till.tenant, entries)
        run = made(till.db, till.tenant)
        assert run.entries == entries
        tracemalloc.start()
        size = sum(len(piece) for piece in export.file(till.db, till.tenant, run.number, "csv", by())[1])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert size > entries * 400
    assert peaks[1] < peaks[0] * 1.5 + 1_000_000


_ID = UUID(int=7)
_ENTRY = StoredEntry(
    _ID, _ID, 1, "posting", "s", date(2026, 2, 25), date(2026, 2, 25), datetime(2026, 2, 25, tzinfo=UTC), "USD",
    ["1000", "4000"], [Decimal("1E+2"), Decimal(-100)], None, _ID,
)  # fmt: skip
_POSTED = Posted(
    _ID, 1, "posting", "s", "t", "SALE", "SALE", "e", _ENTRY.business_date, _ENTRY.books_date, "USD", Decimal(100), False
)  # fmt: skip
_CHART = [ExportAccount("1000", "asset", "Cash"), ExportAccount("4000", "income", "Sales")]


def test_these_are_the_bytes() -> None:
    """A file fetched again after an upgrade must be the one that was fetched before: changing this breaks that."""
    heading, page = Heading("acme", 7, 1, _CHART), [Exported(_ENTRY, _POSTED)]
    made_csv = CsvFile(heading)
    nil = "00000000-0000-0000-0000-000000000007"
    assert made_csv.begin() + made_csv.rows(page) + made_csv.end() == (
        ",".join(CSV_COLUMNS) + "\r\n"
        f"7,{nil},1,2026-02-25,2026-02-25,2026-02-25T00:00:00+00:00,posting,1000,Cash,100,0,USD,s,t,{nil},1,e,,{nil}\r\n"
        f"7,{nil},2,2026-02-25,2026-02-25,2026-02-25T00:00:00+00:00,posting,4000,Sales,0,100,USD,s,t,{nil},1,e,,{nil}\r\n"
    )
    made_text = BeancountFile(heading, opens=True)
    assert made_text.begin() + made_text.rows(page) + made_text.end() == (
        'option "title" "acme, export run 7"\n'
        '\n1700-01-01 open Assets:1000\n  name: "Cash"\n  number: "1000"\n'
        '\n1700-01-01 open Income:4000\n  name: "Sales"\n  number: "4000"\n'
        '\noption "operating_currency" "USD"\n1700-01-01 commodity USD\n'
        '\n2026-02-25 * "s" "SALE t"\n'
        f'  entry-id: "{nil}"\n  export-run: "7"\n  business-date: 2026-02-25\n  event-id: "e"\n'
        f'  transaction-id: "{nil}"\n  revision: "1"\n  raw-id: "{nil}"\n'
        "  Assets:1000  100 USD\n  Income:4000  -100 USD\n"
        "\n; end of export run 7: 1 entries\n"
    )


def test_any_number_makes_an_account_of_its_own(tmp_path: Path) -> None:
    numbers = [
        "1000",
        "10-00",
        "10.00",
        "10/00",
        "kasse",
        "Kasse",
        "-1",
        "店",
        "店 1",
        "4000_a",
        "A:B",
        '"',
        "\\",
        "1 ",
    ]
    accounts = [ExportAccount(number, "asset", number) for number in numbers]
    names = [beancount_account(account) for account in accounts]
    assert len(set(names)) == len(names)
    assert names[:2] == ["Assets:1000", "Assets:10-00"]
    entries = loaded(BeancountFile(Heading('a "b" \\ \n c', 1, 0, accounts), opens=True).begin(), tmp_path)
    assert {entry.meta["number"] for entry in entries} == set(numbers)


def test_days_that_beancount_cannot_read(tmp_path: Path) -> None:
    old = replace(_ENTRY, books_date=date(1066, 10, 14), business_date=date(1066, 10, 14))
    made_text = BeancountFile(Heading("acme", 1, 1, _CHART), opens=True)
    entries = loaded(made_text.begin() + made_text.rows([Exported(old, _POSTED)]), tmp_path)
    (transaction,) = (entry for entry in entries if isinstance(entry, Transaction))
    assert (transaction.date, transaction.meta["books-date"]) == (date(1700, 1, 1), "1066-10-14")
