"""datasets: contracts are put on record, version by version, and what there is of a dataset is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import msgspec
import orjson

from ledgersafe.audit import store as audit
from ledgersafe.contracts.datasets.diff import Change, diff
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.reading import InvalidContract, checked, ours, parsed
from ledgersafe.contracts.datasets.storable import plainly
from ledgersafe.contracts.datasets.writing import members_of
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import StatementRefused
from ledgersafe.files import curated
from ledgersafe.files import store as files
from ledgersafe.kernel.canonical import read_json
from ledgersafe.kernel.errors import Fault, RequestRefused
from ledgersafe.kernel.reasons import CANNOT_COMMIT, CURATED_CLASH, INVALID_CONTRACT, NOT_FOUND
from ledgersafe.pipeline.land import check_names
from ledgersafe.pipeline.resolve import Operator

_TRIES = 5
_SHOWN = 1_000
_NO_TABLE, _NO_COLUMN = "42P01", "42703"
"""What Postgres says of a table, or a column of it, that is not there."""
_TOO_MANY_COLUMNS = "54011"
"""What it says of a table that would have more than 1,600, those that were dropped included."""


@dataclass(frozen=True, slots=True)
class Put:
    """The contract in force. `changed`: it is a new version; `changes`: what it changes for senders of files."""

    contract: files.StoredContract
    changed: bool
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Trend:
    """One delivery in figures. `standing`: by now; `faults`: by rule; `null_fractions`: by column."""

    ingestion: files.Ingestion
    standing: files.Standing
    faults: Mapping[str, int]
    null_fractions: Mapping[str, float]


def read_contract(text: str, *, is_json: bool) -> Dataset:
    """A contract of a text: our members, or those of the Open Data Contract Standard, as YAML or JSON.

    Raises RequestRefused(INVALID_CONTRACT) with every fault.
    """
    try:
        members = _json(text) if is_json else parsed(text)
        return checked(ours(members))
    except InvalidContract as error:
        raise RequestRefused(INVALID_CONTRACT, f"The contract cannot be used: {error}.", faults=error.faults) from None


def put_contract(
    database: Database, tenant_id: str, dataset: str, contract: Dataset, notes: str | None, by: Operator
) -> Put:
    """Put a contract in force, or find that it is. Its table is made, or gets the columns that it lacks.

    Raises RequestRefused: it is another dataset's; CURATED_CLASH: its table is of another kind already.
    """
    check_names(tenant_id, dataset)
    if contract.name != dataset:
        fault = Fault(INVALID_CONTRACT, "/dataset", f"is {contract.name!r}, but the address says {dataset!r}")
        raise RequestRefused(INVALID_CONTRACT, f"dataset {fault.message}.", faults=(fault,))
    try:
        for _ in range(_TRIES):
            with database.transaction() as tx:
                if (put := _put(tx, tenant_id, contract, notes, by)) is not None:
                    return put
    except StatementRefused as error:
        if error.sqlstate != _TOO_MANY_COLUMNS:
            raise
        against = "with the columns of earlier contracts it would have more than 1,600, so name another dataset"
        raise _clash(dataset, against) from None
    raise RequestRefused(CANNOT_COMMIT, "Others put contracts at the same time: try again.", {"Retry-After": "1"})


def _put(tx: Tx, tenant_id: str, contract: Dataset, notes: str | None, by: Operator) -> Put | None:
    """One attempt; None where somebody else put that version in between."""
    name, actor = contract.name, by.credential.actor
    contract = replace(contract, shape=msgspec.structs.replace(contract.shape, version=None))  # it is counted here
    was = files.contract(tx, tenant_id, name).first()
    meant = None if was is None else _still_read(was)
    if was is not None and meant is not None and meant.shape == contract.shape:
        return Put(was, changed=False, changes=())
    if contract.shape.kind == "table":
        _ensure_table(tx, contract)
    version = 1 if was is None else was.version + 1
    members = orjson.dumps(members_of(contract)).decode()
    if not files.insert_contract(tx, tenant_id, name, version, members, by.now, actor, notes).all():
        tx.forget()
        return None
    changes = [] if meant is None else diff(meant, contract, "full")
    before = None if was is None else {"version": was.version}
    after = {"version": version, "changes": [f"{one.level} {one.path}: {one.message}" for one in changes]}
    audit.insert(tx, [audit.Entry(tenant_id, by.now, actor, "contract.put", "contract", name, before, after, notes)])
    return Put(files.contract(tx, tenant_id, name, version).one(), changed=True, changes=changes)


def _ensure_table(tx: Tx, contract: Dataset) -> None:
    against = files.ensure_curated(tx, contract.name, *curated.table_of(contract)).first()
    if against:
        raise _clash(contract.name, against)


def _clash(dataset: str, against: str) -> RequestRefused:
    message = f"The table of {dataset!r} does not fit this contract: {against}. It is shared by all tenants."
    return RequestRefused(CURATED_CLASH, message)


def find_contract(database: Database, tenant_id: str, dataset: str, version: int | None) -> files.StoredContract:
    """The contract in force, or a version of it. Raises RequestRefused(NOT_FOUND)."""
    with database.snapshot() as tx:
        return _contract(tx, tenant_id, dataset, version)


def dataset_of(stored: files.StoredContract) -> Dataset:
    """What a stored contract means.

    Raises RequestRefused(INVALID_CONTRACT): it was put when rules were others, and cannot be used any more.
    """
    try:
        return _read(stored.members)
    except InvalidContract as error:
        told = f"Version {stored.version} of the contract of {stored.dataset!r} was put when the rules were others"
        message = f"{told}: {str(error)[:_SHOWN]}. Put another one (ledgersafe contracts put), then try again."
        raise RequestRefused(INVALID_CONTRACT, message, faults=error.faults) from None


@lru_cache(maxsize=64)
def _read(members: str) -> Dataset:
    """Many deliveries go by one contract. Raises InvalidContract."""
    return checked(msgspec.json.decode(members))


def _still_read(stored: files.StoredContract) -> Dataset | None:
    """What it means; None where it can only be replaced."""
    try:
        return _read(stored.members)
    except InvalidContract:
        return None


def datasets(database: Database, tenant_id: str, after: str, most: int) -> list[files.StoredDataset]:
    """Datasets after a name, by name."""
    with database.snapshot() as tx:
        return files.datasets(tx, tenant_id, after, most).all()


def sample(database: Database, tenant_id: str, dataset: str, most: int) -> list[dict[str, Any]]:
    """Some rows of a dataset's table, those loaded last first.

    Raises RequestRefused: NOT_FOUND where it has none; CURATED_CLASH where it was made anew without all columns;
    INVALID_CONTRACT (`dataset_of`).
    """
    try:
        with database.snapshot() as tx:
            contract = dataset_of(_contract(tx, tenant_id, dataset, None))
            if contract.shape.kind != "table":
                raise RequestRefused(NOT_FOUND, f"Files of {dataset!r} become events: it has no table of its own.")
            return [row.row for row in curated.sample(tx, tenant_id, contract, most).all()]
    except StatementRefused as error:
        if (dropped := _dropped(dataset, error)) is None:
            raise
        raise dropped from None


def _dropped(dataset: str, error: StatementRefused) -> RequestRefused | None:
    """What to tell of a table that its owner has dropped; None where that is not what the error says."""
    after = "The rows of files that were delivered before come back with a replay of these."
    if error.sqlstate == _NO_TABLE:
        told = f"The table of {dataset!r} was dropped by its owner: the next delivery makes it anew. {after}"
        return RequestRefused(NOT_FOUND, told)
    if error.sqlstate == _NO_COLUMN:
        told = f"The table of {dataset!r} was dropped, and lacks columns of this contract: the next delivery adds them."
        return RequestRefused(CURATED_CLASH, f"{told} {after}")
    return None


def schema_history(database: Database, tenant_id: str, dataset: str, most: int) -> list[files.SeenSchema]:
    """Every header that files of a dataset had, latest first."""
    with database.snapshot() as tx:
        return files.schemas(tx, tenant_id, dataset, most).all()


def trends(database: Database, tenant_id: str, dataset: str, most: int) -> list[Trend]:
    """The last deliveries of a dataset in figures, latest first."""
    with database.snapshot() as tx:
        found = files.ingestions(tx, tenant_id, files.Chosen(dataset), None, most).all()
        stand = files.standings(tx, tenant_id, [one.ingestion_id for one in found]).all()
    by_id = {one.ingestion_id: one for one in stand}
    return [_trend(one, by_id[one.ingestion_id]) for one in found]


def _trend(ingestion: files.Ingestion, standing: files.Standing) -> Trend:
    quality = ingestion.quality or {}
    faults: dict[str, int] = {}
    for rule in cast("list[dict[str, Any]]", quality.get("rules") or []):
        faults[rule["rule"]] = faults.get(rule["rule"], 0) + rule["count"]
    columns = cast("dict[str, dict[str, Any]]", quality.get("columns") or {})
    return Trend(ingestion, standing, faults, {name: of["null_fraction"] for name, of in columns.items()})


def _contract(tx: Tx, tenant_id: str, dataset: str, version: int | None) -> files.StoredContract:
    found = files.contract(tx, tenant_id, dataset, version).first()
    if found is None:
        what = "contract" if version is None else f"version {version} of the contract"
        raise RequestRefused(NOT_FOUND, f"There is no {what} of dataset {dataset!r} of this tenant.")
    return found


def _json(text: str) -> Any:
    """Raises RequestRefused: it is no JSON."""
    return plainly(read_json(text.encode()).value)
