"""deliver: one attempt at one delivery, from its bytes in the raw zone to rows or events, and to its reports.

A worker has it on a lease. What is loaded, and that it is, commit in one transaction that only the holder of the lease
can make; a worker that died or was too slow leaves nothing behind that counts.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import structlog
from polars.exceptions import PanicException

from ledgersafe.contracts.datasets.headers import matched, schema_hash
from ledgersafe.contracts.datasets.infer import infer
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.db.database import Database
from ledgersafe.db.errors import DatabaseError, StatementRefused
from ledgersafe.files import store as files
from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Batch, Bounds, Opened, UnreadableFile
from ledgersafe.kernel.clock import CLOCKS_DIFFER, Clock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.kernel.reasons import INTERNAL_ERROR, NO_CONTRACT, RAW_FILE_DAMAGED, ROW_TOO_LONG
from ledgersafe.pipeline.datasets import dataset_of
from ledgersafe.pipeline.deliveries.decided_rows import decisions_of
from ledgersafe.pipeline.deliveries.deliver_events import MOST_EVENT_BYTES, REFUSED, Sending, send_events
from ledgersafe.pipeline.deliveries.deliver_table import SAME_KEY_TWICE, ensure_table, load_table
from ledgersafe.pipeline.deliveries.delivery import LeaseLost, Rejected, Tally, Work, broken_rules, with_passed_over
from ledgersafe.pipeline.deliveries.drift import drift_report, hold_drifted, hold_twofold, told_of
from ledgersafe.pipeline.deliveries.left_out import left_out
from ledgersafe.pipeline.deliveries.lineage import lineage_report
from ledgersafe.pipeline.deliveries.wishes import wishes_of
from ledgersafe.storage.zone import ZoneDamaged

LEASE = timedelta(seconds=60)
"""How long a worker that gives no sign is waited for."""
MOST_ATTEMPTS = 5
"""At which attempt trouble of the machine ends it. Those that ended without a word count: nobody knows of what."""
MOST_DEATHS = 15
"""How many attempts may end without a word: a file that kills whoever reads it must not go round for ever."""
_ROW_TOO_WIDE = "54000"
"""What Postgres says of a row, or a table, that is more than a page of it holds."""
_FIRST_PAUSE = timedelta(seconds=5)
_SAMPLE_ROWS = 2_000
_MOST_SECONDS = 6 * 3600.0
"""How long one statement of a large file may take."""
_log = structlog.get_logger()

Status = Literal["succeeded", "quarantined", "failed", "received", "lost"]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker works with. `open_raw`: raw path → the file on this machine. `slot`: its row of the counters."""

    database: Database
    open_raw: Callable[[str], AbstractContextManager[Path]]
    clock: Clock
    slot: int
    future_seconds: float
    bounds: Bounds = field(default_factory=Bounds)
    most_event_bytes: int = MOST_EVENT_BYTES


def due(database: Database, clock: Clock, most: int = 20) -> list[files.IngestionName]:
    """Deliveries that wait for a worker."""
    with database.snapshot() as tx:
        return files.due(tx, clock.now(), _latest(clock.now()), most).all()


def keep(database: Database, lease: files.Lease, clock: Clock) -> bool:
    """Tell that the lease's holder is still at work. False: it has lost it."""
    with database.transaction() as tx:
        return files.extend(tx, lease, clock.now() + LEASE).first() is not None


def claim(database: Database, name: files.IngestionName, clock: Clock) -> tuple[files.Lease, files.Ingestion] | None:
    """Take a delivery; None where somebody else has it."""
    lease, now = files.Lease(name, new_id()), clock.now()
    with database.transaction() as tx:
        found = files.claim(tx, lease, now, now + LEASE, _latest(now)).first()
    return None if found is None else (lease, found)


def _latest(now: datetime) -> datetime:
    """What is due later than that was set by a clock that is wrong: by whoever had it, or wanted it tried again."""
    return now + max(LEASE, _FIRST_PAUSE * 2 ** (MOST_ATTEMPTS - 2)) + CLOCKS_DIFFER


def deliver(desk: Desk, lease: files.Lease, ingestion: files.Ingestion) -> Status:
    """Do it; how it ended. What is wrong with the file ends it, what is wrong with the machine has it tried again."""
    attempt = _Attempt(desk, lease, ingestion)
    try:
        return _done_or_held(attempt)
    except LeaseLost:
        return "lost"
    except (DatabaseError, OSError) as error:
        return attempt.try_again(error)
    except (Exception, PanicException) as error:  # noqa: BLE001 - a bug: it is counted, and parks this delivery alone
        _log.error("delivery_failed", ingestion=str(ingestion.ingestion_id), exc_info=error)
        return attempt.try_again(error)


def _done_or_held(attempt: "_Attempt") -> Status:
    """Raises LeaseLost, and what is not the file's fault: also where that is met while the file is held."""
    try:
        return attempt.run() if attempt.ingestion.attempts <= MOST_DEATHS else attempt.give_up()
    except UnreadableFile as error:
        return attempt.end("quarantined", error.code, str(error))
    except RequestRefused as error:
        return attempt.end("quarantined", error.reason.code, error.detail)
    except Rejected as error:
        return attempt.end("quarantined", error.reason.code, str(error))
    except ZoneDamaged as error:
        _log.error("raw_file_damaged", ingestion=str(attempt.ingestion.ingestion_id), error=str(error))
        told = (
            f"In the raw zone, {error}. Put the file that was received back from a backup, then replay this delivery."
        )
        return attempt.end("failed", RAW_FILE_DAMAGED.code, told)
    except StatementRefused as error:
        if error.sqlstate != _ROW_TOO_WIDE:
            raise
        return attempt.too_wide(error)


class _Attempt:
    """One attempt, and what is known so far for its reports."""

    def __init__(self, desk: Desk, lease: files.Lease, ingestion: files.Ingestion) -> None:
        self.desk = desk
        self.lease = lease
        self.ingestion = ingestion
        self.work: Work | None = None
        self.tally = Tally()
        self.kept: list[str] = []
        self.drift: dict[str, Any] | None = None
        self.facts: dict[str, Any] | None = None

    def run(self) -> Status:
        dataset, version = self._contract()
        if dataset is None:
            detail = f"There is no contract for dataset {self.ingestion.dataset!r}: put one, then replay this delivery."
            return self.end("quarantined", NO_CONTRACT.code, detail)
        with self.desk.open_raw(self.ingestion.raw_path) as path:
            if dataset.shape.kind == "events":
                return self._send(self._begin(path, dataset, version))
            try:
                return self._load(self._begin(path, dataset, version), keys_repeat=False)
            except StatementRefused as error:
                if error.sqlstate != SAME_KEY_TWICE:
                    raise
            self.tally, self.kept = Tally(), []
            return self._load(self._begin(path, dataset, version), keys_repeat=True)

    def _contract(self) -> tuple[Dataset | None, int]:
        """The contract that it was begun with, else the one in force. Raises RequestRefused(INVALID_CONTRACT)."""
        of = self.ingestion
        with self.desk.database.transaction() as tx:
            found = files.contract(tx, of.tenant_id, of.dataset, of.contract_version).first()
            if found is None:
                return None, 0
            if files.begin_work(tx, self.lease, found.version).first() is None:
                raise LeaseLost
        return dataset_of(found), found.version

    def _begin(self, path: Path, dataset: Dataset, version: int) -> Work:
        """Open it, and look at its columns. Raises UnreadableFile, Rejected."""
        kind = kind_of(self.ingestion.filename)
        open_it = partial(kind.open, path, wishes_of(dataset), self.desk.bounds)
        opened = open_it()
        self.facts = {"format": kind.name} | opened.facts
        header = matched(dataset, opened.columns)
        first, opened = _looked_into(opened)
        types = _types(opened.columns, first)
        with self.desk.database.snapshot() as tx:
            of = self.ingestion
            before = next(iter(files.schemas(tx, of.tenant_id, of.dataset, 1).all()), None)
            previous = files.last_succeeded(tx, of.tenant_id, of.dataset, of.ingestion_id).first()
            sheet = opened.facts.get("sheet")
            decided = None if of.replay_of is None else decisions_of(tx, of, sheet, dataset)
            ignored = None if of.replay_of is None else left_out(tx, of, sheet)
        self.drift = drift_report(dataset, header, types, before) | {"columns": types}
        self.work = Work(
            self.lease, self.ingestion, dataset, version, header, opened, open_it, previous, decided, ignored
        )
        hold_drifted(self.drift)
        hold_twofold(header)
        return self.work

    def _load(self, work: Work, *, keys_repeat: bool) -> Status:
        now = self.desk.clock.now()
        with self.desk.database.transaction() as tx:
            ensure_table(tx, work)
        with self.desk.database.transaction(patience=_MOST_SECONDS) as tx:
            tx.take_time(_MOST_SECONDS)
            loaded = load_table(tx, work, self.tally, now, self.kept, keys_repeat=keys_repeat)
            self._finish_in(tx, "succeeded", None, self._told(loaded.older), asdict(loaded))
        return "succeeded"

    def _send(self, work: Work) -> Status:
        desk = self.desk
        seconds = LEASE.total_seconds()
        sending = Sending(desk.clock, desk.slot, desk.future_seconds, seconds, desk.most_event_bytes)
        sent = send_events(desk.database, work, self.tally, sending, self.kept)
        with desk.database.transaction() as tx:
            for lines in sent.bad_lines():
                files.copy_bad_rows(tx, lines)
            accepted = sum(sent.outcomes.values()) - sent.outcomes.get(REFUSED, 0)
            self._finish_in(tx, "succeeded", None, self._told(), {"events": accepted})
        return "succeeded"

    def _told(self, older: int = 0) -> str | None:
        """What to know of a delivery that succeeded: that it drifted, that rows are held or older, or none there."""
        report, tally = self.drift, self.tally
        told = [told_of(report)] if report is not None and report["drifted"] and report["policy"] == "warn" else []
        if not tally.rows_in:
            told.append("It has a header and no rows: nothing was loaded.")
        elif tally.rows_bad:
            told.append(f"{tally.rows_bad:,} of {tally.rows_in:,} rows are held: its bad rows say why.")
        if tally.rows_decided:
            told.append(f"On {tally.rows_decided:,} of them a person had decided before: that stays.")
        told += tally.told_of_currencies()
        if older:
            told.append(f"{older:,} rows were passed over: the table has what a file that was received later says.")
        return " ".join(told) or None

    def give_up(self) -> Status:
        """Too many attempts ended without a word."""
        told = f"{MOST_DEATHS} attempts at it ended without a word: its worker was killed, or ran out of memory."
        return self.end("failed", INTERNAL_ERROR.code, f"{told} Look into the worker's log before you replay it.")

    def too_wide(self, error: StatementRefused) -> Status:
        """The database has no room for such a row."""
        said = str(error).partition("\n")[0]
        told = f"A row of it is wider than the database takes ({said}): name fewer columns in the contract."
        return self.end("quarantined", ROW_TOO_LONG.code, told)

    def end(self, status: Literal["quarantined", "failed"], code: str, detail: str) -> Status:
        """End it with nothing loaded; what was found until then is in its reports."""
        with self.desk.database.transaction() as tx:
            if self.kept:
                files.copy_bad_rows(tx, self.kept)
            self._finish_in(tx, status, code, detail, {})
        return status

    def _finish_in(
        self, tx: Any, status: Literal["succeeded", "quarantined", "failed"], code: str | None, detail: str | None,
        made: dict[str, Any],
    ) -> None:  # fmt: skip
        """Write how it ended. Raises LeaseLost, with which the transaction goes."""
        now, of, drift = self.desk.clock.now(), self.ingestion, self.drift
        if self.facts is not None and self.work is not None:
            self.facts |= self.work.opened.facts  # some of them are known once all of it is read
        ending = files.Ending(
            status=status,
            rows_in=self.tally.rows_in,
            rows_ok=self.tally.rows_in - self.tally.rows_bad if status == "succeeded" else 0,
            rows_bad=self.tally.rows_bad,
            reason_code=code,
            detail=_without_nul(with_passed_over(detail, self.facts)),
            facts=self.facts,
            quality=self.tally.report([] if self.work is None else broken_rules(self.work, self.tally)) | made,
            drift=None if drift is None else {name: value for name, value in drift.items() if name != "columns"},
            lineage=lineage_report(of, self.work, self.tally, status, now),
        )
        if drift is not None:
            digest = bytes.fromhex(schema_hash(list(drift["columns"])))
            files.see_schema(tx, self.lease.name, of.dataset, digest, drift["columns"], now)
        if files.finish(tx, self.lease, ending, now).first() is None:
            raise LeaseLost

    def try_again(self, error: BaseException) -> Status:
        """Have it done again after a pause, a few times; then a person looks."""
        told = f"{type(error).__name__}: {_without_nul(str(error))}"[:2_000]
        try:
            if self.ingestion.attempts >= MOST_ATTEMPTS:
                return self.end(
                    "failed", INTERNAL_ERROR.code, f"Attempt {self.ingestion.attempts} at it failed, too: {told}"
                )
            pause = _FIRST_PAUSE * 2 ** (self.ingestion.attempts - 1)
            with self.desk.database.transaction() as tx:
                until = self.desk.clock.now() + pause
                if files.give_back(tx, self.lease, until, INTERNAL_ERROR.code, told).first() is None:
                    raise LeaseLost
        except LeaseLost:
            return "lost"
        except DatabaseError as gone:
            _log.warning("delivery_waits_for_the_database", error=str(gone))
        return "received"


def _without_nul(text: str | None) -> str | None:
    """What Postgres keeps: what is told may quote a file, and Postgres has no place for a NUL."""
    return None if text is None else text.replace("\x00", "\u2400")


def _looked_into(opened: Opened) -> tuple[Batch | None, Opened]:
    """The first batch, and the file as if it had not been looked into."""
    rows = iter(opened.batches)
    first = next(rows, None)
    again: Iterable[Batch] = rows if first is None else chain([first], rows)
    return first, replace(opened, batches=iter(again))


def _types(columns: tuple[str, ...], first: Batch | None) -> dict[str, str]:
    """What the columns' values look like, by a sample."""
    if first is None or not first.frame.height:
        return dict.fromkeys(columns, "string")
    described = infer("sample", columns, first.frame.head(_SAMPLE_ROWS))["columns"]
    return {name: described[name]["type"] for name in columns}
