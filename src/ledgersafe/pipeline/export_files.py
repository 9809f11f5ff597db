"""What the files of an export run say: CSV (RFC 4180) and beancount text. Pure; the same rows give the same bytes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256

from ledgersafe.kernel.cells import guarded
from ledgersafe.ledger.store import ExportAccount, StoredEntry
from ledgersafe.silver.store import Posted, Revision

CSV_COLUMNS = (
    "run",
    "entry_id",
    "line_no",
    "books_date",
    "business_date",
    "posted_at",
    "kind",
    "account",
    "account_name",
    "debit",
    "credit",
    "currency",
    "store_id",
    "txn_id",
    "transaction_id",
    "revision",
    "event_id",
    "reverses",
    "raw_id",
)
_NEEDS_QUOTES = re.compile(r'[",;\r\n\t]')
_ROOTS = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "income": "Income",
    "expense": "Expenses",
}
_COMPONENT = re.compile(r"[A-Z0-9][A-Za-z0-9-]*", re.ASCII)
_UNFIT = re.compile(r"[^A-Za-z0-9-]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FIRST_DAY, _LAST_DAY = date(1700, 1, 1), date(2199, 12, 31)
"""The days that beancount can read."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An entry with the posting that it is of, or takes back."""

    entry: StoredEntry
    posted: Posted


@dataclass(frozen=True, slots=True)
class Heading:
    """Which run of whom, and the accounts as they were when it was complete."""

    tenant_id: str
    number: int
    entries: int
    accounts: Sequence[ExportAccount]


class CsvFile:
    """One row a line of an entry."""

    def __init__(self, heading: Heading) -> None:
        self._number = heading.number
        self._names = {account.account: _text(account.name) for account in heading.accounts}

    def begin(self) -> str:
        """The names of the columns."""
        return ",".join(CSV_COLUMNS) + "\r\n"

    def rows(self, page: Sequence[Exported]) -> str:
        """The lines of a page of entries."""
        return "".join(line for row in page for line in self._lines(row))

    def end(self) -> str:
        """Nothing: a row that is no line of an entry would be read as one."""
        return ""

    def _lines(self, row: Exported) -> Iterator[str]:
        entry, posted = row.entry, row.posted
        before = f"{self._number},{entry.entry_id}"
        dates = f"{entry.books_date},{entry.business_date},{entry.posted_at.isoformat()},{entry.kind}"
        of = f"{_text(posted.store_id)},{_text(posted.txn_id)},{entry.transaction_id},{entry.revision}"
        after = f"{entry.currency},{of},{_text(posted.event_id)},{entry.reverses or ''},{entry.raw_id}\r\n"
        for line_no, (account, amount) in enumerate(zip(entry.accounts, entry.amounts, strict=True), 1):
            name = self._names.get(account, "")
            debit, credit = (_plain(amount), "0") if amount > 0 else ("0", _plain(-amount))
            yield f"{before},{line_no},{dates},{_text(account)},{name},{debit},{credit},{after}"


class BeancountFile:
    """One transaction an entry. `opens`: with open and commodity directives, so that the file stands alone."""

    def __init__(self, heading: Heading, *, opens: bool) -> None:
        self._heading = heading
        self._opens = opens
        self._currencies = set[str]()
        self._accounts = {account.account: beancount_account(account) for account in heading.accounts}

    def begin(self) -> str:
        """What the file is, and the accounts that it uses."""
        title = f"{self._heading.tenant_id}, export run {self._heading.number}"
        lines = [f'option "title" {_string(title)}\n'] if self._opens else [f"; {_CONTROL.sub(' ', title)}\n"]
        for account in self._heading.accounts if self._opens else ():
            name = self._accounts[account.account]
            lines.append(f"\n{_FIRST_DAY} open {name}\n")
            lines.append(f"  name: {_string(account.name)}\n  number: {_string(account.account)}\n")
        return "".join(lines)

    def rows(self, page: Sequence[Exported]) -> str:
        """The transactions of a page of entries."""
        return "".join(line for row in page for line in self._transaction(row))

    def end(self) -> str:
        """How many there must be: who reads a file that was cut off can tell."""
        return f"\n; end of export run {self._heading.number}: {self._heading.entries} entries\n"

    def _transaction(self, row: Exported) -> Iterator[str]:
        entry, posted = row.entry, row.posted
        if self._opens and entry.currency not in self._currencies:  # in no order of dates: beancount sorts them
            self._currencies.add(entry.currency)
            yield f'\noption "operating_currency" "{entry.currency}"\n{_FIRST_DAY} commodity {entry.currency}\n'
        day = min(max(entry.books_date, _FIRST_DAY), _LAST_DAY)
        narration = f"{posted.type} {posted.txn_id}" + (" reversed" if entry.kind == "reversal" else "")
        yield f"\n{day} * {_string(posted.store_id)} {_string(narration)}\n"
        yield f'  entry-id: "{entry.entry_id}"\n  export-run: "{self._heading.number}"\n'
        yield f"  business-date: {_day(entry.business_date)}\n  event-id: {_string(posted.event_id)}\n"
        yield f'  transaction-id: "{entry.transaction_id}"\n  revision: "{entry.revision}"\n'
        yield f'  raw-id: "{entry.raw_id}"\n'
        if entry.reverses is not None:
            yield f'  reverses: "{entry.reverses}"\n'
        if day != entry.books_date:
            yield f'  books-date: "{entry.books_date}"\n'
        for account, amount in zip(entry.accounts, entry.amounts, strict=True):
            yield f"  {self._accounts[account]}  {_plain(amount)} {entry.currency}\n"


File = CsvFile | BeancountFile


def beancount_account(account: ExportAccount) -> str:
    """An account's name there: its type and its number, e.g. Assets:1000.

    A number of other characters is spelled with those that beancount allows; the end of its SHA-256 keeps two such
    apart. The account's own name is left out: it may change, and an account of beancount keeps its name.
    """
    number = account.account
    if not _COMPONENT.fullmatch(number):
        number = f"X{_UNFIT.sub('-', number)}-{sha256(number.encode()).hexdigest()[-12:]}"
    return f"{_ROOTS.get(account.type, 'Equity')}:{number}"


def paired(entries: Sequence[StoredEntry], postings: Mapping[Revision, Posted]) -> list[Exported]:
    """Entries with their postings. Raises KeyError where one has none, which a foreign key makes impossible."""
    return [Exported(entry, postings[str(entry.transaction_id), entry.revision]) for entry in entries]


def _plain(amount: Decimal) -> str:
    return format(amount, "f")


def _text(value: str) -> str:
    """A text cell, guarded and in quotes where it needs any."""
    cell = guarded(value)
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell


def _string(value: str) -> str:
    return '"' + _CONTROL.sub(" ", value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _day(day: date) -> str:
    return str(day) if _FIRST_DAY <= day <= _LAST_DAY else f'"{day}"'
