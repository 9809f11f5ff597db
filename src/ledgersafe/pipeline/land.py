"""land: a received file is kept in the raw zone, then recorded; from then on a worker may take it.

The file comes first: whoever dies in between leaves a file that nobody names, never a record without its file.
"""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from uuid import UUID

import orjson
import structlog

from ledgersafe.audit import store as audit
from ledgersafe.contracts.envelope import is_usable_id
from ledgersafe.db.database import Database, Tx
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import id_after
from ledgersafe.kernel.reasons import (
    FILE_CHANGED,
    FORMAT_UNAVAILABLE,
    INVALID_PARAMETER,
    NOT_FOUND,
    PATH_NOT_ALLOWED,
    RAW_ZONE_UNAVAILABLE,
    UNSUPPORTED_FORMAT,
    UNUSABLE_TENANT_ID,
)
from ledgersafe.pipeline.deliveries.under_way import refuse_under_way
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.storage.incoming import IncomingFile
from ledgersafe.storage.zone import RawZone, ZoneDamaged, ZoneUnavailable
from ledgersafe.tenants import store as tenants

DATASET_NAME = r"^[a-z][a-z0-9_]{0,39}$"
_AT_ONCE = 1 << 20
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Announced:
    """What is said of a file before its bytes come. `filename`: as its sender calls it; its end says the format."""

    tenant_id: str
    dataset: str
    filename: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file whose bytes are all here, in a temporary file of the zone."""

    announced: Announced
    temporary: Path
    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Landed:
    """The delivery of these bytes. `duplicate`: they were received before, and this is the delivery of then.

    `detail`: what to know of that.
    """

    ingestion: files.Ingestion
    duplicate: bool
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A delivery, and what was decided of it."""

    ingestion: files.Ingestion
    audit: Sequence[audit.StoredEntry]


def check(announced: Announced) -> str:
    """Whether a file so announced can be received; the end of its name, such as `.csv.gz`. Raises RequestRefused."""
    check_names(announced.tenant_id, announced.dataset)
    for name, value in (("filename", announced.filename), ("source", announced.source)):
        if value is not None and not is_usable_id(value):
            raise RequestRefused(INVALID_PARAMETER, f"{name} must be 1 to 255 characters, none of them control.")
    return _ending_of(announced.filename)


def check_names(tenant_id: str, dataset: str) -> None:
    """Whether files may be kept under these names. Raises RequestRefused."""
    if not is_usable_id(tenant_id) or tenant_id.startswith("_"):
        raise RequestRefused(UNUSABLE_TENANT_ID, f"{tenant_id!r} cannot be the name of a tenant.")
    if re.fullmatch(DATASET_NAME, dataset) is None:
        message = f"dataset is {dataset[:80]!r}: a name is 1 to 40 of a-z, 0-9 and _, and begins with a letter."
        raise RequestRefused(INVALID_PARAMETER, message)


def land(database: Database, zone: RawZone, incoming: Incoming, by: Operator) -> Landed:
    """Keep a file for ever and record it. The same bytes again are the first delivery, whoever brings them.

    Raises RequestRefused: it cannot be received under these names, or cannot be kept now.
    """
    of = incoming.announced
    ending = check(of)
    with database.snapshot() as tx:
        known = files.ingestion_of_bytes(tx, of.tenant_id, of.dataset, incoming.sha256).first()
        detail = None if known is None else _overtaken(tx, known)
    try:
        if known is not None:
            _put_back(zone, incoming, known)
            return Landed(known, duplicate=True, detail=detail)
        raw_path = zone.keep(incoming.temporary, of.tenant_id, of.dataset, by.now.date(), incoming.sha256, ending)
    except (ZoneUnavailable, ZoneDamaged) as error:
        raise not_kept(error) from error
    with database.transaction() as tx:
        tenants.ensure_tenant(tx, of.tenant_id, by.now, "first file")
        name = _next_id(tx, of.tenant_id, of.dataset)
        new = files.NewIngestion(
            of.tenant_id, name, of.dataset, of.filename, of.source, incoming.sha256, incoming.size, raw_path
        )
        made = files.insert_ingestion(tx, new, by.now, by.credential.actor).first()
        if made is None:
            there = files.ingestion_of_bytes(tx, of.tenant_id, of.dataset, incoming.sha256).one()
            return Landed(there, duplicate=True)
        return Landed(files.ingestion(tx, of.tenant_id, made).one(), duplicate=False)


def _next_id(tx: Tx, tenant_id: str, dataset: str) -> str:
    """Of what is received now: later than all that was, also where the clock was ahead when that came."""
    return id_after(files.latest_id(tx, tenant_id, dataset).first())


def _overtaken(tx: Tx, known: files.Ingestion) -> str | None:
    """What to tell who sends a file of keyed rows again, after another one: later rows stay over its own."""
    contract = files.contract(tx, known.tenant_id, known.dataset).first()
    if contract is None or not orjson.loads(contract.members).get("primary_key"):
        return None
    last = files.last_counting(tx, known.tenant_id, known.dataset).first()
    if last is None or last.ingestion_id <= known.ingestion_id:
        return None
    since = "is loaded since" if last.is_loaded else "came since, and waits to be loaded"
    told = f"These bytes were received on {known.received_at:%Y-%m-%d}, and delivery {last.ingestion_id} {since}."
    return f"{told} Nothing changes. If they are to count again, change the file, such as by a blank line at its end."


def _put_back(zone: RawZone, incoming: Incoming, known: files.Ingestion) -> None:
    """A zone that lost a file has it again once somebody brings it again."""
    if zone.has(known.raw_path):
        return
    path = PurePosixPath(known.raw_path)
    day, ending = date.fromisoformat(path.parent.name), path.name[path.name.index(".") :]
    zone.keep(incoming.temporary, known.tenant_id, known.dataset, day, known.sha256, ending)
    _log.warning("raw_file_put_back", tenant_id=known.tenant_id, raw_path=known.raw_path)


def not_kept(error: Exception) -> RequestRefused:
    """What a sender is told where the raw zone is in trouble; where it is, is in the log."""
    _log.error("raw_zone_unavailable", error=str(error))
    message = "The file cannot be kept now, and nothing of it was. Send it again; what is wrong is in our log."
    return RequestRefused(RAW_ZONE_UNAVAILABLE, message, {"Retry-After": "5"})


def land_path(database: Database, zone: RawZone, path: Path, announced: Announced, most: int, by: Operator) -> Landed:
    """The same for a file of this machine, which stays where it is. `path`: as `allowed_path` gave it.

    Raises RequestRefused; FILE_CHANGED where somebody writes to it meanwhile.
    """
    check(announced)
    try:
        with IncomingFile(zone, most) as incoming:
            _copy(path, incoming)
            return land(database, zone, Incoming(announced, incoming.path, incoming.complete(), incoming.size), by)
    except ZoneUnavailable as error:
        raise not_kept(error) from error
    except OSError as error:
        raise RequestRefused(NOT_FOUND, f"{path} cannot be read: {error.strerror}.") from None


def allowed_path(given: str, folders: Sequence[Path]) -> Path:
    """The file that a path leads to, links followed. What lies elsewhere is refused, be it there or not.

    Raises RequestRefused: PATH_NOT_ALLOWED; NOT_FOUND where an allowed folder has no such file.
    """
    refused = RequestRefused(PATH_NOT_ALLOWED, f"{given!r} is in no folder that files may be taken from.")
    try:
        path = Path(given).resolve()
        allowed = Path(given).is_absolute() and any(path.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, RuntimeError, ValueError):
        raise refused from None
    if not allowed:
        raise refused
    if not path.is_file():
        raise RequestRefused(NOT_FOUND, f"There is no file {given!r}.")
    return path


def find(database: Database, tenant_id: str, ingestion_id: UUID) -> Found:
    """One delivery, and what was decided of it. Raises RequestRefused(NOT_FOUND)."""
    with database.snapshot() as tx:
        found = _found(files.ingestion(tx, tenant_id, ingestion_id).first(), ingestion_id)
        return Found(found, audit.of_objects(tx, tenant_id, "ingestion", [str(ingestion_id)]).all())


def deliveries(
    database: Database, tenant_id: str, chosen: files.Chosen, before: UUID | None, most: int
) -> list[files.Ingestion]:
    """One page of deliveries, latest first."""
    with database.snapshot() as tx:
        return files.ingestions(tx, tenant_id, chosen, before, most).all()


def standings(database: Database, tenant_id: str, ingestion_ids: Sequence[UUID]) -> dict[UUID, files.Standing]:
    """How these deliveries stand by now, by id."""
    with database.snapshot() as tx:
        return {one.ingestion_id: one for one in files.standings(tx, tenant_id, ingestion_ids).all()}


def replay(database: Database, tenant_id: str, ingestion_id: UUID, notes: str, by: Operator) -> files.Ingestion:
    """Have a delivery worked through again, by the contract that is in force then: a new one, of the same file.

    Raises RequestRefused: no such delivery, one of the same bytes has not ended, no notes.
    """
    if not notes.strip():
        raise RequestRefused(INVALID_PARAMETER, "notes is required: say why.")
    with database.transaction() as tx:
        of = _found(files.ingestion(tx, tenant_id, ingestion_id).first(), ingestion_id)
        refuse_under_way(tx, of)
        new = files.NewIngestion(
            tenant_id,
            _next_id(tx, tenant_id, of.dataset),
            of.dataset,
            of.filename,
            of.source,
            of.sha256,
            of.size_bytes,
            of.raw_path,
            replay_of=str(of.ingestion_id),
        )
        files.insert_ingestion(tx, new, by.now, by.credential.actor)
        _audit_replay(tx, of, new.ingestion_id, notes, by)
        return files.ingestion(tx, tenant_id, new.ingestion_id).one()


def _audit_replay(tx: Tx, of: files.Ingestion, replay_id: str, notes: str, by: Operator) -> None:
    """With both: whoever looks at one of them finds the other."""
    first = str(of.ingestion_id)
    entries = [
        audit.Entry(of.tenant_id, by.now, by.credential.actor, action, "ingestion", object_id, after=after, notes=notes)
        for action, object_id, after in (
            ("ingestion.replayed", first, {"replay": replay_id, "was": of.status}),
            ("ingestion.received", replay_id, {"replay_of": first}),
        )
    ]
    audit.insert(tx, entries)


def _copy(path: Path, incoming: IncomingFile) -> None:
    """Raises RequestRefused(FILE_CHANGED), OSError."""
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # whatever has come into its place meanwhile
    with os.fdopen(opened, "rb") as file:
        before = os.fstat(opened)
        if path.resolve() != path or not stat.S_ISREG(before.st_mode):
            raise RequestRefused(FILE_CHANGED, f"{path.name} is not the file that it was a moment ago.")
        while incoming.size <= before.st_size and (data := file.read(_AT_ONCE)):
            incoming.write(data)
        stands = os.fstat(opened), path.stat()
    if incoming.size != before.st_size or any(_mark(details) != _mark(before) for details in stands):
        raise RequestRefused(FILE_CHANGED, f"{path.name} changed while it was read: send it once it is complete.")


def _mark(details: os.stat_result) -> tuple[int, int, int, int]:
    return details.st_dev, details.st_ino, details.st_size, details.st_mtime_ns


def _ending_of(filename: str) -> str:
    """Raises RequestRefused(UNSUPPORTED_FORMAT)."""
    try:
        from ledgersafe.formats.kinds import kind_of
        from ledgersafe.formats.packing import PACKED_ENDINGS
        from ledgersafe.formats.rows import UnreadableFile
    except ImportError as error:
        message = f"Receiving files needs pip install 'ledgersafe[files]' on the API's machine ({error})."
        raise RequestRefused(FORMAT_UNAVAILABLE, message) from None
    try:
        kind_of(filename)
    except UnreadableFile as error:
        raise RequestRefused(UNSUPPORTED_FORMAT, str(error)) from None
    name = filename.lower()
    packed = next((ending for ending in PACKED_ENDINGS if name.endswith(ending)), "")
    return Path(name.removesuffix(packed)).suffix + packed


def _found(ingestion: files.Ingestion | None, ingestion_id: UUID) -> files.Ingestion:
    if ingestion is None:
        raise RequestRefused(NOT_FOUND, f"There is no delivery {ingestion_id} of this tenant.")
    return ingestion
