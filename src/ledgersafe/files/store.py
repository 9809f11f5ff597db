"""The statements of schema files, but for those over curated tables (curated.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.sql import Statements
from ledgersafe.files.rules import (
    ArrivalSpan,
    Chosen,
    Decision,
    Ending,
    IngestionName,
    Lease,
    NewIngestion,
    RowSpan,
    RowStatus,
    Status,
    UnderWay,
    UnlistedSender,
)

SQL = Statements(__package__ or "")

MOST_ROWS_NAMED = 50
"""Of how many rows at most an origin keeps the numbers one by one; of more, it keeps all as ranges, too."""


@dataclass(frozen=True, slots=True)
class StoredContract:
    """A version of a dataset's contract. `members`: JSON, as its YAML says it."""

    dataset: str
    version: int
    members: str
    put_at: datetime
    put_by: str
    notes: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Of which rows of which file an arrival was made. `rows`: the numbers of the first, of `rows_in_all`."""

    raw_id: UUID
    ingestion_id: UUID
    dataset: str
    filename: str
    rows: list[int]
    rows_in_all: int


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """What there is of a dataset. `version`, `members`: of the contract in force, if there is one.

    `waiting`, `quarantined`: deliveries; failed ones count as quarantined, those that were replayed do not.
    `with_open_rows`: those that are loaded but for rows that nobody decided on.
    """

    dataset: str
    version: int | None
    members: str | None
    deliveries: int
    last_received_at: datetime | None
    waiting: int
    quarantined: int
    with_open_rows: int


@dataclass(frozen=True, slots=True)
class Ingestion:
    """A row of files.ingestions."""

    tenant_id: str
    ingestion_id: UUID
    dataset: str
    filename: str
    source: str | None
    sha256: bytes
    size_bytes: int
    raw_path: str
    replay_of: UUID | None
    contract_version: int | None
    status: Status
    attempts: int
    due_at: datetime
    leased_by: UUID | None
    received_at: datetime
    received_by: str
    started_at: datetime | None
    ended_at: datetime | None
    rows_in: int
    rows_ok: int
    rows_bad: int
    events_done: int
    outcomes: dict[str, int] | None
    reason_code: str | None
    detail: str | None
    facts: dict[str, Any] | None
    quality: dict[str, Any] | None
    drift: dict[str, Any] | None
    lineage: dict[str, Any] | None

    @property
    def drifted(self) -> bool | None:
        """Whether its columns differ from its contract's; None: they were not looked at."""
        return None if self.drift is None else bool(self.drift["drifted"])


@dataclass(frozen=True, slots=True)
class Standing:
    """How a delivery stands by now. `replayed_as`: the latest of the same bytes, where that is a later one.

    `rows_open`: its bad rows that nobody decided on, where the rest is loaded.
    """

    ingestion_id: UUID
    replayed_as: UUID | None
    rows_open: int


@dataclass(frozen=True, slots=True)
class Counting:
    """The delivery that brought a file; whether the file is loaded, or waits for it."""

    ingestion_id: UUID
    is_loaded: bool


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not loaded. `row_values`: by column, as text; None where only `row_text` could be kept."""

    row_number: int
    group_key: str | None
    row_values: dict[str, str | None] | None
    row_text: str | None
    faults: list[dict[str, Any]]
    contract_version: int
    status: RowStatus
    patch: dict[str, str | None] | None
    decided_at: datetime | None
    decided_by: str | None
    notes: str | None


@dataclass(frozen=True, slots=True)
class DecidedRow:
    """What was decided last of a row of a file, in one of its deliveries."""

    row_number: int
    status: RowStatus
    patch: dict[str, str | None] | None
    decided_at: datetime
    decided_by: str


@dataclass(frozen=True, slots=True)
class IgnoredRow:
    """A row that a person has ignored, as it was kept: its text, or its values."""

    row_number: int
    row_text: str | None
    row_values: dict[str, str | None] | None


@dataclass(frozen=True, slots=True)
class OpenOfGroup:
    """How many rows of a group nobody decided on."""

    group_key: str
    rows_open: int


@dataclass(frozen=True, slots=True)
class BadRowCounts:
    """How many bad rows of a delivery stand how."""

    open: int
    replayed: int
    ignored: int


@dataclass(frozen=True, slots=True)
class SeenSchema:
    """Columns that files of a dataset had. `columns`: name → type that the values looked like."""

    schema_hash: bytes
    columns: dict[str, str]
    first_ingestion_id: UUID
    first_seen_at: datetime
    last_ingestion_id: UUID
    last_seen_at: datetime
    deliveries: int


def insert_contract(
    tx: Tx, tenant_id: str, dataset: str, version: int, members: str, now: datetime, actor: str, notes: str | None
) -> Rows[int]:
    """Put a version; no row where it is there already. `members`: JSON."""
    wanted = {"tenant_id": tenant_id, "dataset": dataset, "version": version, "members": members}
    return tx.scalars(int, SQL["insert_contract"], wanted | {"now": now, "actor": actor, "notes": notes})


def contract(tx: Tx, tenant_id: str, dataset: str, version: int | None = None) -> Rows[StoredContract]:
    """The contract in force, or that version of it; no row where there is none."""
    wanted = {"tenant_id": tenant_id, "dataset": dataset, "version": version}
    return tx.query(StoredContract, SQL["contract"], wanted)


def contracts(tx: Tx, tenant_id: str, dataset: str, before: int | None, most: int) -> Rows[StoredContract]:
    """Its versions, latest first."""
    wanted = {"tenant_id": tenant_id, "dataset": dataset, "before": before, "most": most}
    return tx.query(StoredContract, SQL["contracts"], wanted)


def datasets(tx: Tx, tenant_id: str, after: str, most: int) -> Rows[StoredDataset]:
    """Datasets after a name, by name."""
    return tx.query(StoredDataset, SQL["datasets"], {"tenant_id": tenant_id, "after": after, "most": most})


def insert_ingestion(tx: Tx, new: NewIngestion, now: datetime, actor: str) -> Rows[UUID]:
    """Record a delivery; no row where these bytes were received before."""
    wanted = {name: getattr(new, name) for name in NewIngestion.__slots__}
    return tx.scalars(UUID, SQL["insert_ingestion"], wanted | {"now": now, "actor": actor})


def ingestion(tx: Tx, tenant_id: str, ingestion_id: UUID | str) -> Rows[Ingestion]:
    """One delivery."""
    return tx.query(Ingestion, SQL["ingestion"], {"tenant_id": tenant_id, "ingestion_id": ingestion_id})


def ingestion_of_bytes(tx: Tx, tenant_id: str, dataset: str, sha256: bytes) -> Rows[Ingestion]:
    """The delivery that brought these bytes."""
    wanted = {"tenant_id": tenant_id, "dataset": dataset, "sha256": sha256}
    return tx.query(Ingestion, SQL["ingestion_of_bytes"], wanted)


def lock_bytes(tx: Tx, of: Ingestion) -> Rows[UUID]:
    """Have whoever locks the same bytes wait for the end of the transaction."""
    return tx.scalars(UUID, SQL["lock_bytes"], _same_bytes(of))


def under_way(tx: Tx, of: Ingestion) -> Rows[UnderWay]:
    """The first delivery of the same bytes that has not ended."""
    return tx.query(UnderWay, SQL["under_way"], _same_bytes(of))


def ingestions(tx: Tx, tenant_id: str, chosen: Chosen, before: UUID | None, most: int) -> Rows[Ingestion]:
    """One page, latest first."""
    return tx.query(
        Ingestion, SQL["ingestions"], asdict(chosen) | {"tenant_id": tenant_id, "before": before, "most": most}
    )


def standings(tx: Tx, tenant_id: str, ingestion_ids: Sequence[UUID]) -> Rows[Standing]:
    """How these deliveries stand by now."""
    return tx.query(Standing, SQL["standings"], {"tenant_id": tenant_id, "ingestion_ids": list(ingestion_ids)})


def due(tx: Tx, now: datetime, latest: datetime, most: int) -> Rows[IngestionName]:
    """Deliveries of all tenants that wait for a worker. `latest`: what is due after that, a wrong clock has set."""
    return tx.query(IngestionName, SQL["due"], {"now": now, "latest": latest, "most": most})


def claim(tx: Tx, lease: Lease, now: datetime, until: datetime, latest: datetime) -> Rows[Ingestion]:
    """Take it; no row where somebody else has it. `latest`: as for `due`."""
    return tx.query(Ingestion, SQL["claim"], lease.parameters() | {"now": now, "until": until, "latest": latest})


def extend(tx: Tx, lease: Lease, until: datetime) -> Rows[UUID]:
    """Keep it for longer; no row where it is lost."""
    return tx.scalars(UUID, SQL["extend"], lease.parameters() | {"until": until})


def begin_work(tx: Tx, lease: Lease, version: int) -> Rows[UUID]:
    """Record by which contract it is judged; no row where the lease is lost."""
    return tx.scalars(UUID, SQL["begin_work"], lease.parameters() | {"version": version})


def note_events(tx: Tx, lease: Lease, events_done: int, outcomes: Mapping[str, int], until: datetime) -> Rows[UUID]:
    """Record how many events are sent, and keep the lease; no row where it is lost."""
    wanted = {"events_done": events_done, "outcomes": orjson.dumps(outcomes).decode(), "until": until}
    return tx.scalars(UUID, SQL["note_events"], lease.parameters() | wanted)


def insert_sent(tx: Tx, name: IngestionName, events_before: int, marks: bytes) -> None:
    """Record which events were sent. `marks`: of each of them, one after the other; `events_before`: how many were."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id}
    tx.execute(SQL["insert_sent"], wanted | {"events_before": events_before, "marks": marks})


def sent(tx: Tx, name: IngestionName) -> Rows[bytes]:
    """The marks of all events that a delivery has sent, in parts."""
    return tx.scalars(bytes, SQL["sent"], {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id})


def insert_origins(tx: Tx, name: IngestionName, raw_ids: Sequence[str], rows: Sequence[Sequence[int]]) -> None:
    """Record of which rows arrivals were made, in parallel."""
    wanted = {
        "tenant_id": name.tenant_id,
        "ingestion_id": name.ingestion_id,
        "raw_ids": arrays.ids(raw_ids),
        "row_numbers": arrays.texts([arrays.plain(sorted(of)[:MOST_ROWS_NAMED]) for of in rows]),
        "rows_in_all": arrays.plain(map(len, rows)),
        "all_rows": arrays.texts([_ranges(of) if len(of) > MOST_ROWS_NAMED else None for of in rows]),
    }
    tx.execute(SQL["insert_origins"], wanted)


def origins(tx: Tx, tenant_id: str, raw_ids: Sequence[UUID]) -> Rows[Origin]:
    """Of which rows these arrivals were made; none of those that came through another door."""
    return tx.query(Origin, SQL["origins"], {"tenant_id": tenant_id, "raw_ids": list(raw_ids)})


def rows_sent(tx: Tx, of: Ingestion, sheet: str | None, among: Sequence[int] | None = None) -> Rows[RowSpan]:
    """The rows of the same bytes, and of the same sheet, of which events were made.

    `among`: of those asked for, all; of others, maybe some.
    """
    wanted = _same_bytes(of, sheet) | {"ingestion_id": of.ingestion_id}
    return tx.query(RowSpan, SQL["rows_sent"], wanted | {"among": None if among is None else arrays.plain(among)})


def rows_of_arrivals(tx: Tx, of: Ingestion, sheet: str | None, raw_ids: Sequence[UUID]) -> Rows[ArrivalSpan]:
    """Of which rows of the same bytes, and of the same sheet, these arrivals were made."""
    wanted = _same_bytes(of, sheet) | {"raw_ids": arrays.plain(raw_ids)}
    return tx.query(ArrivalSpan, SQL["rows_of_arrivals"], wanted)


def unlisted_senders(tx: Tx, of: Ingestion, sheet: str | None) -> Rows[UnlistedSender]:
    """The other deliveries of the same bytes, and of the same sheet, of whose rows `rows_sent` lacks some."""
    wanted = _same_bytes(of, sheet) | {"ingestion_id": of.ingestion_id}
    return tx.query(UnlistedSender, SQL["unlisted_senders"], wanted)


def rows_not_sent(tx: Tx, name: IngestionName, after: int) -> Rows[int]:
    """The rows of a delivery, after a number, that it held and that were not put right."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id, "after": after}
    return tx.scalars(int, SQL["rows_not_sent"], wanted)


def other_sheet(tx: Tx, of: Ingestion, sheet: str) -> Rows[str]:
    """Another sheet than this one that was loaded of the same file."""
    return tx.scalars(str, SQL["other_sheet"], _same_bytes(of, sheet))


def finish(tx: Tx, lease: Lease, ending: Ending, now: datetime) -> Rows[UUID]:
    """End it; no row where the lease is lost."""
    wanted = {name: getattr(ending, name) for name in Ending.__slots__}
    reports = {name: _json(wanted[name]) for name in ("facts", "quality", "drift", "lineage")}
    return tx.scalars(UUID, SQL["finish"], lease.parameters() | wanted | reports | {"now": now})


def give_back(tx: Tx, lease: Lease, due_at: datetime, reason_code: str, detail: str) -> Rows[UUID]:
    """Have it tried again later; no row where the lease is lost."""
    wanted = {"due_at": due_at, "reason_code": reason_code, "detail": detail}
    return tx.scalars(UUID, SQL["give_back"], lease.parameters() | wanted)


def last_succeeded(tx: Tx, tenant_id: str, dataset: str, before: UUID) -> Rows[Ingestion]:
    """The last good delivery before another one."""
    return tx.query(Ingestion, SQL["last_succeeded"], {"tenant_id": tenant_id, "dataset": dataset, "before": before})


def last_counting(tx: Tx, tenant_id: str, dataset: str) -> Rows[Counting]:
    """Of the files that are loaded or wait for it, be it by a replay, the one received last."""
    return tx.query(Counting, SQL["last_counting"], {"tenant_id": tenant_id, "dataset": dataset})


def latest_id(tx: Tx, tenant_id: str, dataset: str) -> Rows[UUID]:
    """Of the dataset's delivery that was recorded last."""
    return tx.scalars(UUID, SQL["latest_id"], {"tenant_id": tenant_id, "dataset": dataset})


def copy_bad_rows(tx: Tx, lines: Sequence[str]) -> None:
    """Keep bad rows. `lines`: in the text format of COPY (`db.copying`), in the order of the statement's columns."""
    tx.copy(SQL["copy_bad_rows"], lines)


def bad_rows(
    tx: Tx, name: IngestionName, status: RowStatus | None, after: int, most: int, *, at_fault: bool | None = None
) -> Rows[BadRow]:
    """One page, in the order of the file. `at_fault`: those that are themselves, or those that others hold."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id, "at_fault": at_fault}
    return tx.query(BadRow, SQL["bad_rows"], wanted | {"status": status, "after": after, "most": most})


def open_of_groups(tx: Tx, name: IngestionName, groups: Sequence[str]) -> Rows[OpenOfGroup]:
    """Of each of these groups, how many rows wait; none of those of which none does."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id, "groups": list(groups)}
    return tx.query(OpenOfGroup, SQL["open_of_groups"], wanted)


def count_bad_rows(tx: Tx, name: IngestionName) -> Rows[BadRowCounts]:
    """How they stand now."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id}
    return tx.query(BadRowCounts, SQL["count_bad_rows"], wanted)


def lock_bad_rows(tx: Tx, name: IngestionName, row_numbers: Sequence[int], groups: Sequence[str] = ()) -> Rows[BadRow]:
    """These rows and all of their groups, and these groups, locked."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id}
    return tx.query(BadRow, SQL["lock_bad_rows"], wanted | {"row_numbers": list(row_numbers), "groups": list(groups)})


def open_groupless(tx: Tx, name: IngestionName, besides: Sequence[int]) -> Rows[int]:
    """The first row, but for these, that holds data of which nobody knows the group, and which nobody decided on."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id, "besides": list(besides)}
    return tx.scalars(int, SQL["open_groupless"], wanted)


def decide_bad_rows(
    tx: Tx, name: IngestionName, patches: Mapping[int, Mapping[str, str | None] | None], decision: Decision
) -> None:
    """Record what became of rows. `patches`: row number → what was put in place of its values."""
    wanted = {
        "tenant_id": name.tenant_id,
        "ingestion_id": name.ingestion_id,
        "row_numbers": list(patches),
        "patches": [_json(patch) for patch in patches.values()],
        "status": decision.status,
        "now": decision.now,
        "actor": decision.actor,
        "notes": decision.notes,
    }
    tx.execute(SQL["decide_bad_rows"], wanted)


def decided_rows(tx: Tx, of: Ingestion, sheet: str | None) -> Rows[DecidedRow]:
    """What was decided of rows of the same bytes, and of the same sheet, in whichever of their deliveries."""
    return tx.query(DecidedRow, SQL["decided_rows"], _same_bytes(of, sheet))


def ignored_groupless(tx: Tx, of: Ingestion, sheet: str | None) -> Rows[IgnoredRow]:
    """Of them, those of no known group that a person has ignored."""
    return tx.query(IgnoredRow, SQL["ignored_groupless"], _same_bytes(of, sheet))


def see_schema(
    tx: Tx, name: IngestionName, dataset: str, schema_hash: bytes, columns: Mapping[str, str], now: datetime
) -> None:
    """Record the columns of a file. `columns`: name → type that its values look like."""
    wanted = {"tenant_id": name.tenant_id, "ingestion_id": name.ingestion_id, "dataset": dataset, "now": now}
    tx.execute(SQL["see_schema"], wanted | {"schema_hash": schema_hash, "columns": _json(columns)})


def schemas(tx: Tx, tenant_id: str, dataset: str, most: int) -> Rows[SeenSchema]:
    """Every header that was seen, latest first."""
    return tx.query(SeenSchema, SQL["schemas"], {"tenant_id": tenant_id, "dataset": dataset, "most": most})


def ensure_curated(
    tx: Tx, dataset: str, columns: Sequence[str], types: Sequence[str], keys: Sequence[str]
) -> Rows[str]:
    """Make the dataset's table, or add what it lacks; what stands against it, or an empty text."""
    wanted = {"dataset": dataset, "columns": list(columns), "types": list(types), "keys": list(keys)}
    return tx.scalars(str, SQL["ensure_curated"], wanted)


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _same_bytes(of: Ingestion, sheet: str | None = None) -> dict[str, Any]:
    return {"tenant_id": of.tenant_id, "dataset": of.dataset, "sha256": of.sha256, "sheet": sheet}


def _ranges(rows: Sequence[int]) -> str:
    """The literal of an int8multirange."""
    found: list[list[int]] = []
    for row in sorted(rows):
        if found and found[-1][1] == row:
            found[-1][1] = row + 1
        else:
            found.append([row, row + 1])
    return "{" + ",".join(f"[{first},{until})" for first, until in found) + "}"
