"""export: hand entries on to a general ledger, in numbered runs. An entry is in one run that stands, and in no other.

A run is made in steps, each a transaction: what a step claimed, what it put on record and how far it has come commit
together. Whoever takes up a run whose maker died goes on where the last step ended. A run looks at every entry once,
from the first on; one that commits behind its back is in no run, and is therefore claimed by the next.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from time import monotonic
from typing import Any, Literal

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database, Tx
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import EXPORT_UNDER_WAY, INVALID_PARAMETER, NOT_FOUND
from ledgersafe.ledger import store as ledger
from ledgersafe.ledger.store import ExportName, ExportRun
from ledgersafe.pipeline.export_files import BeancountFile, CsvFile, File, Heading, paired
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.silver import store as silver

Format = Literal["csv", "beancount"]
PAGE = 2_000
"""How many entries a page holds at most: what a file's reader has in memory at once."""
_PAGES_A_STEP = 5
_LARGEST_NUMBER = 2**31 - 1


def begin(database: Database, tenant_id: str, as_of: date | None, notes: str | None, by: Operator) -> ExportRun:
    """Make a run, or find the one that is under way: it is gone on with, so that asking twice makes no second one.

    `as_of`: entries with a books date up to this day; None: all. Raises RequestRefused(EXPORT_UNDER_WAY): one with
    another `as_of` is being made.
    """
    for _ in range(5):
        with database.transaction() as tx:
            number = ledger.begin_export(tx, tenant_id, as_of, by.credential.actor, notes, by.now).first()
            if number is not None:
                _audit(tx, tenant_id, number, "export.begun", by, {"as_of": as_of}, notes)
                return ledger.export_run(tx, tenant_id, number).one()
            under_way = ledger.exports_under_way(tx, tenant_id).first()
            run = None if under_way is None else ledger.export_run(tx, tenant_id, under_way.number).one()
        if run is not None and run.status == "making":
            if run.as_of != as_of:
                message = f"Run {run.number} (up to {run.as_of or 'all'}) is being made: wait for it, or void it."
                raise RequestRefused(EXPORT_UNDER_WAY, message, {"Retry-After": "1"})
            return run
    raise RequestRefused(EXPORT_UNDER_WAY, "Others begin runs at the same time: try again.", {"Retry-After": "1"})


def step(database: Database, name: ExportName, clock: Clock) -> bool:
    """Go on with a run by some pages. Returns whether it is complete, or voided."""
    with database.transaction() as tx:
        tx.look_up_by_index()
        run = ledger.lock_export(tx, name.tenant_id, name.number).one()
        voided = ledger.voided_exports(tx, name.tenant_id).all()
        for _ in range(_PAGES_A_STEP):
            if run.status != "making":
                return True
            run = _page(tx, name.tenant_id, run, voided, clock)
        return run.status != "making"


def _page(tx: Tx, tenant_id: str, run: ExportRun, voided: list[int], clock: Clock) -> ExportRun:
    """Look at the next entries, and claim what is free of them."""
    last = ledger.export_bound(tx, tenant_id, run, PAGE).first()
    claimed = ledger.claim_entries(tx, tenant_id, run, last, voided).all()
    if claimed:
        ledger.insert_export_page(tx, tenant_id, run.number, run.pages, claimed)
        run = replace(run, entries=run.entries + len(claimed), pages=run.pages + 1)
    if last is not None:
        run = replace(run, at_date=last.at_date, at_entry=last.at_entry)
        ledger.advance_export(tx, tenant_id, run, None)
        return run
    run, subject = replace(run, status="made", made_at=clock.now()), str(run.number)
    ledger.advance_export(tx, tenant_id, run, ledger.chart_to_export(tx, tenant_id).all())
    facts = {"entries": run.entries}
    made = audit.Entry(tenant_id, clock.now(), audit.SYSTEM, "export.made", "export_run", subject, after=facts)
    audit.insert(tx, [made])
    return run


def go_on(database: Database, name: ExportName, clock: Clock, seconds: float) -> ExportRun:
    """Go on with a run until it is complete, or for so long: what is left is the workers'. Returns how far it is."""
    until = monotonic() + seconds
    while not step(database, name, clock) and monotonic() < until:
        pass
    return find(database, name.tenant_id, name.number)


def under_way(database: Database) -> list[ExportName]:
    """The runs of all tenants that are not complete."""
    with database.snapshot() as tx:
        return ledger.exports_under_way(tx).all()


def find(database: Database, tenant_id: str, number: int) -> ExportRun:
    """One run. Raises RequestRefused(NOT_FOUND)."""
    with database.snapshot() as tx:
        return _found(ledger.export_run(tx, tenant_id, _possible(number)).first(), number)


def runs(database: Database, tenant_id: str, before: int | None, most: int) -> list[ExportRun]:
    """One page of runs, latest first."""
    with database.snapshot() as tx:
        return ledger.export_runs(tx, tenant_id, None if before is None else _possible(before), most).all()


def void(database: Database, tenant_id: str, number: int, reason: str, by: Operator) -> ExportRun:
    """Have a run not count: the next one takes its entries. It stays on record, with what was in it.

    Doing it twice is no error; there is no way back. Raises RequestRefused: no reason given, no such run.
    """
    if not reason.strip():
        raise RequestRefused(INVALID_PARAMETER, "reason is required: say why.")
    with database.transaction() as tx:
        run = _found(ledger.lock_export(tx, tenant_id, _possible(number)).first(), number)
        if run.status != "voided":
            ledger.void_export(tx, tenant_id, number, reason, by.credential.actor, by.now)
            facts = {"status": "voided", "was": run.status, "entries": run.entries}
            _audit(tx, tenant_id, number, "export.voided", by, facts, reason)
        return ledger.export_run(tx, tenant_id, number).one()


def file(
    database: Database, tenant_id: str, number: int, form: Format, by: Operator, *, opens: bool = True
) -> tuple[ExportRun, Iterator[str]]:
    """A run, and its file in pieces, one a page; whoever asks again gets the same bytes. The asking is on record.

    `opens`: as for BeancountFile. No transaction stays open between two pieces. Raises RequestRefused: no such run, or
    it is not complete.
    """
    with database.transaction() as tx:
        run = _found(ledger.export_run(tx, tenant_id, _possible(number)).first(), number)
        if run.status == "making":
            raise RequestRefused(EXPORT_UNDER_WAY, f"Run {number} is being made: wait for it.", {"Retry-After": "1"})
        if run.made_at is None:
            raise RequestRefused(NOT_FOUND, f"Run {number} was voided before it was complete: it has no file.")
        accounts = ledger.export_accounts(tx, tenant_id, number).all()
        _audit(tx, tenant_id, number, "export.fetched", by, {"format": form}, None)
    heading = Heading(tenant_id, number, run.entries, accounts)
    made: File = CsvFile(heading) if form == "csv" else BeancountFile(heading, opens=opens)
    return run, _pieces(database, tenant_id, run, made)


def _pieces(database: Database, tenant_id: str, run: ExportRun, made: File) -> Iterator[str]:
    yield made.begin()
    for page in range(run.pages):
        with database.snapshot() as tx:
            tx.look_up_by_index()
            entries = ledger.export_page(tx, tenant_id, run.number, page).all()
            postings = silver.postings(
                tx, tenant_id, [(str(row.transaction_id), row.revision) for row in entries]
            ).all()
        of = {(str(row.transaction_id), row.revision): row for row in postings}
        yield made.rows(paired(entries, of))
    yield made.end()


def _found(run: ExportRun | None, number: int) -> ExportRun:
    if run is None:
        raise RequestRefused(NOT_FOUND, f"There is no export run {number} of this tenant.")
    return run


def _possible(number: int) -> int:
    """A number that the database can look for; none is larger."""
    return min(max(number, 0), _LARGEST_NUMBER)


def _audit(
    tx: Tx, tenant_id: str, number: int, action: str, by: Operator, after: dict[str, Any], notes: str | None
) -> None:
    actor = by.credential.actor
    entry = audit.Entry(tenant_id, by.now, actor, action, "export_run", str(number), after=after, notes=notes)
    audit.insert(tx, [entry])
