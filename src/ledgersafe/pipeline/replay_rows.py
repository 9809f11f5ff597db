"""replay_rows: bad rows that were put right are loaded. Decided by a person, on record.

Rows with values put in place of theirs are judged again, by the contract that is in force now. Either all that were
asked for go in, or none. Of rows that become events a whole group goes at once: it is one event.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import polars as pl
import stamina

from ledgersafe.audit import store as audit
from ledgersafe.contracts.datasets.checking import FAULT_COLUMNS, IN_WHICH_CURRENCY, ROW, check
from ledgersafe.contracts.datasets.event_currencies import Codes, codes_by_row, codes_of, foreign
from ledgersafe.contracts.datasets.event_times import far_apart
from ledgersafe.contracts.datasets.events import EventMaker, groups
from ledgersafe.contracts.datasets.grouping import is_grouped_alike
from ledgersafe.contracts.datasets.headers import matched
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.explain import escaped
from ledgersafe.db.database import Database, Tx
from ledgersafe.db.errors import TryAgain
from ledgersafe.db.script import run_through
from ledgersafe.files import curated
from ledgersafe.files import store as files
from ledgersafe.kernel.errors import Fault, RequestRefused
from ledgersafe.kernel.reasons import CURATED_CLASH, INVALID_PARAMETER, ROWS_STILL_BAD
from ledgersafe.pipeline.accept import accept_steps
from ledgersafe.pipeline.arrival import Mapped, judged
from ledgersafe.pipeline.bad_rows import (
    IN_TABLE,
    Decided,
    check_wish,
    delivery_of,
    entry_of,
    locked_rows,
    refuse_decided,
)
from ledgersafe.pipeline.datasets import dataset_of
from ledgersafe.pipeline.deliveries.deliver_events import MOST_EVENT_BYTES, parcel_of, read_made, refuse_foreign
from ledgersafe.pipeline.deliveries.deliver_table import merged
from ledgersafe.pipeline.deliveries.delivery import first_delivery
from ledgersafe.pipeline.deliveries.event_groups import groupless, keys_of, stored_key
from ledgersafe.pipeline.deliveries.rereading import TYPED_FORMATS, read_otherwise
from ledgersafe.pipeline.deliveries.sent_before import sent_before
from ledgersafe.pipeline.deliveries.under_way import refuse_under_way
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.pipeline.writing import SLOT
from ledgersafe.tenants import store as tenants

_MOST_FAULTS = 100
_SHOWN = 60
_OF_ANOTHER_SPELLING = (
    "the file's own number or time is kept as {!r}, as version {} of the contract spells it, and the one in force "
    "reads that otherwise: set it in the spelling of the one in force, or replay the whole delivery"
)
Patch = Mapping[str, str | None]
Patches = Mapping[int, Patch]
"""By row number: column → what is put in place of its value; None is no value."""


@dataclass(frozen=True, slots=True)
class _Case:
    """The rows of a decision, locked, with the contract in force.

    `spelled_by`: the older contract by which numbers and times of a typed file were spelled. `most_event_bytes`: how
    large an event of such rows may be.
    """

    ingestion: files.Ingestion
    dataset: Dataset
    rows: dict[int, files.BadRow]
    patches: Patches
    spelled_by: Dataset | None
    most_event_bytes: int


@stamina.retry(on=TryAgain, attempts=5, wait_initial=0.01, wait_max=0.2, timeout=None)
def replay(
    database: Database,
    name: files.IngestionName,
    patches: Patches,
    notes: str,
    by: Operator,
    most_event_bytes: int = MOST_EVENT_BYTES,
) -> Decided:
    """Load rows, with the patches' values in place of theirs (None: no value).

    Raises RequestRefused, and nothing is changed: ROWS_STILL_BAD, whose faults say which and why, ROWS_DECIDED,
    NOT_FOUND, CURATED_CLASH, INVALID_CONTRACT, DELIVERY_UNDER_WAY, a column that there is not.
    """
    check_wish(list(patches), notes)
    with database.transaction() as tx:
        ingestion = delivery_of(tx, name)
        refuse_under_way(tx, ingestion)
        wanted = locked_rows(tx, name, list(patches))
        if all(wanted[number].status == "replayed" and _same(wanted[number], patches[number]) for number in patches):
            return Decided("replayed", sorted(patches), changed=False)
        refuse_decided([wanted[number] for number in patches])
        _refuse_unloaded(ingestion)
        stored = files.contract(tx, ingestion.tenant_id, ingestion.dataset).one()
        dataset = dataset_of(stored)
        _refuse_unknown(dataset, patches)
        is_of_groups = dataset.shape.kind == "events"
        named = {number: row for number, row in wanted.items() if is_of_groups or number in patches}
        rows = {number: row for number, row in named.items() if row.status == "open"}
        spelled_by = _read_by(tx, ingestion, dataset, stored.version)
        case = _Case(ingestion, dataset, rows, patches, spelled_by, most_event_bytes)
        decided = _send(tx, case, by) if is_of_groups else _load(tx, case, by)
        put = {number: patches.get(number) or None for number in decided.rows}
        files.decide_bad_rows(tx, name, put, files.Decision("replayed", by.now, by.credential.actor, notes))
        patched = {str(number): sorted(patch) for number, patch in put.items() if patch}
        facts = {"rows": decided.rows, "patched": patched, "outcomes": decided.outcomes}
        facts |= {name: count for name in IN_TABLE if (count := getattr(decided, name))}
        audit.insert(tx, [entry_of(name, by, "bad_rows.replayed", facts, notes)])
        return decided


def _load(tx: Tx, case: _Case, by: Operator) -> Decided:
    """Into the dataset's table."""
    dataset, of = case.dataset, case.ingestion
    good, _ = _good(case)
    clash = files.ensure_curated(tx, dataset.name, *curated.table_of(dataset)).one()
    if clash:
        raise RequestRefused(CURATED_CLASH, f"files.curated_{dataset.name} does not fit the contract: {clash}.")
    origin = curated.Origin(of.tenant_id, first_delivery(tx, of), of.sha256, by.now)
    curated.stage(tx, dataset)
    curated.copy(tx, dataset, good)
    loaded = merged(tx, dataset, origin, good.height, whole=False)
    _refuse_rivals(tx, dataset, origin)
    return Decided("replayed", sorted(case.rows), **asdict(loaded))


def _refuse_rivals(tx: Tx, dataset: Dataset, origin: curated.Origin) -> None:
    """Of rows of a file that share a key, one at most is loaded, whoever puts them right and when."""
    if not dataset.primary_key:
        return
    told, first = ", ".join(dataset.primary_key), escaped(dataset.primary_key[0])
    message = "row {:,} of the file has the same {}, and is loaded: ignore this row, or send what is right in a file"
    faults = [
        Fault(ROWS_STILL_BAD, f"/{rival.row_number}/{first}", message.format(rival.other, told))
        for rival in curated.rivals(tx, dataset, origin).all()
    ]
    if faults:
        raise _still_bad(faults)


def _send(tx: Tx, case: _Case, by: Operator) -> Decided:
    """As events, through the same accept as all others."""
    of, dataset = case.ingestion, case.dataset
    _refuse_groupless(tx, case)
    good, unsaid = _good(case)
    joined = _joined(tx, case, good)
    if joined.rows.keys() != case.rows.keys():
        case = joined
        good, unsaid = _good(case)
    assert dataset.shape.events is not None, "asked of events only"
    maker = EventMaker(dataset, of.tenant_id)
    parcel = parcel_of(of, by.now)
    tenant = tenants.tenants(tx, [of.tenant_id]).first()
    rows = ((row[ROW], row) for row in good.iter_rows(named=True))
    events: list[Mapped] = []
    made_of: list[list[int]] = []
    for group in groups(dataset.shape.events, rows).values():
        try:
            event = read_made(parcel, maker.make(group), case.most_event_bytes)
            refuse_foreign(tenant, event, codes_of(unsaid, [number for number, _ in group]))
        except RequestRefused as refusal:
            raise _still_bad([Fault(ROWS_STILL_BAD, f"/{group[0][0]}", refusal.detail)]) from None
        events.append(event)
        made_of.append([number for number, _ in group])
    _refuse_second(tx, of, events, made_of)
    arrivals = [judged(event, tenant, by.future_seconds) for event in events]
    outcomes = run_through(accept_steps(tx, arrivals, slot=SLOT, rejected=()))
    name = files.IngestionName(of.tenant_id, of.ingestion_id)
    files.insert_origins(tx, name, [one.raw_id for one in outcomes], made_of)
    return Decided("replayed", sorted(case.rows), outcomes=dict(Counter(one.result for one in outcomes)))


def _refuse_second(tx: Tx, of: files.Ingestion, events: Sequence[Mapped], made_of: Sequence[Sequence[int]]) -> None:
    """Rows of which a delivery of the file has made events by now make no others."""
    before = sent_before(tx, of, (of.facts or {}).get("sheet"), [row for rows in made_of for row in rows])
    if before is None:
        return
    named = [(event.event_id, rows) for event, rows in zip(events, made_of, strict=True)]
    faults = [Fault(ROWS_STILL_BAD, f"/{made_of[at][0]}", why) for at, why in before.second(tx, named).items()]
    if faults:
        raise _still_bad(faults)


def _refuse_groupless(tx: Tx, case: _Case) -> None:
    """While nobody knows of which event a row is, it may be of each of these: none of them is known to be whole."""
    name = files.IngestionName(case.ingestion.tenant_id, case.ingestion.ingestion_id)
    number = files.open_groupless(tx, name, list(case.patches)).first()
    if number is not None:
        message = "it may be of any event, also of those of these rows: put it right, or ignore it, before or with them"
        raise _still_bad([Fault(ROWS_STILL_BAD, f"/{number}", message)])


def _joined(tx: Tx, case: _Case, good: pl.DataFrame) -> _Case:
    """With the held rows of groups that a patch has brought rows into."""
    keys = {stored_key(key) for key in keys_of(case.dataset, good).to_list()}
    new = keys - {row.group_key for row in case.rows.values()}
    if not new:
        return case
    name = files.IngestionName(case.ingestion.tenant_id, case.ingestion.ingestion_id)
    more = files.lock_bad_rows(tx, name, [], sorted(new)).all()
    rows = case.rows | {row.row_number: row for row in more if row.status == "open"}
    return replace(case, rows=dict(sorted(rows.items())))


def _good(case: _Case) -> tuple[pl.DataFrame, Codes]:
    """The rows with the patches over them, if all keep the contract. Raises RequestRefused(ROWS_STILL_BAD).

    And of those whose amounts say a currency, while their events do not, which it may be.
    """
    values = {number: _values(case.dataset, row, case.patches.get(number, {})) for number, row in case.rows.items()}
    names = [column.name for column in case.dataset.columns]
    rows = [(number, *(of.get(name) for name in names)) for number, of in values.items()]
    frame = pl.DataFrame(rows, schema={ROW: pl.Int64} | dict.fromkeys(names, pl.String), orient="row")
    found = check(case.dataset, frame)
    faults = [found.faults, _of_currencies(case), _of_another_spelling(case), _repeated(case.dataset, found.good)]
    faults = pl.concat(faults)
    unsaid = found.marked
    if case.dataset.shape.kind == "events":
        marked = found.marked.filter(pl.col(ROW).is_in(found.good[ROW].implode()))
        keys = keys_of(case.dataset, found.good)
        apart, unsaid = foreign(case.dataset, found.good, keys, marked)
        apart = apart.select(ROW, "column", pl.lit("currency").alias("rule"), "value", "message")
        days = far_apart(case.dataset, found.good, keys)
        days = days.select(ROW, "column", pl.lit("event").alias("rule"), "value", "message")
        faults = pl.concat([faults, groupless(case.dataset, found.good), apart, days])
    faults = faults.unique(maintain_order=True)
    if faults.height:
        told = [
            Fault(ROWS_STILL_BAD, f"/{number}/{escaped(column)}", message)
            for number, column, _, _, message in faults.head(_MOST_FAULTS).rows()
        ]
        raise _still_bad(told)
    return found.good, codes_by_row(unsaid)


def _of_currencies(case: _Case) -> pl.DataFrame:
    """Amounts that were held beside others of their file, and still are where nobody has said in which currency."""
    found: list[tuple[int, str, str, None, str]] = []
    for number, row in case.rows.items():
        kept = row.row_values or {}
        of = matched(case.dataset, list(kept)).renamed if kept else {}
        for name in {str(fault["column"]) for fault in row.faults if fault["rule"] == "currency"}:
            ours = of.get(name, name)
            known = [one for one in case.dataset.columns if one.name == ours and one.is_in_unnamed_currency]
            if known and ours not in case.patches.get(number, {}):
                found.append((number, ours, "currency", None, IN_WHICH_CURRENCY))
    return pl.DataFrame(found, schema=FAULT_COLUMNS, orient="row")


def _read_by(tx: Tx, ingestion: files.Ingestion, dataset: Dataset, version: int) -> Dataset | None:
    """The contract that a typed file was read by, where it is not the one in force. Raises RequestRefused: the file's
    rows would be other ones by now, or of other groups.
    """
    known = ingestion.contract_version
    if known in (None, version):
        return None
    try:
        was = dataset_of(files.contract(tx, ingestion.tenant_id, ingestion.dataset, known).one())
    except RequestRefused:
        told = f"Its rows were read by version {known} of the contract, which cannot be read any more"
        raise RequestRefused(INVALID_PARAMETER, f"{told}: replay the whole delivery.") from None
    if was.shape.kind != dataset.shape.kind or not is_grouped_alike(was, dataset):
        told = f"Version {version} of the contract groups rows otherwise than version {known}, which held these"
        message = f"{told}: which of them make one event, only the whole file says. Replay the whole delivery."
        raise RequestRefused(INVALID_PARAMETER, message)
    return was if (ingestion.facts or {}).get("format") in TYPED_FORMATS else None


def _of_another_spelling(case: _Case) -> pl.DataFrame:
    """Values of a typed file that the contract in force would read as others than the file has."""
    found: list[tuple[int, str, str, None, str]] = []
    for number, ours, text in read_otherwise(case.spelled_by, case.dataset, case.rows) if case.spelled_by else ():
        if ours not in case.patches.get(number, {}):
            message = _OF_ANOTHER_SPELLING.format(text[:_SHOWN], case.ingestion.contract_version)
            found.append((number, ours, "spelling", None, message))
    return pl.DataFrame(found, schema=FAULT_COLUMNS, orient="row")


def _values(dataset: Dataset, row: files.BadRow, patch: Patch) -> dict[str, str | None]:
    """Its values by the contract's columns: those of an older contract may have other names."""
    known = row.row_values or {}
    renamed = matched(dataset, list(known)).renamed
    return {ours: known[theirs] for theirs, ours in renamed.items()} | dict(patch)


def _repeated(dataset: Dataset, good: pl.DataFrame) -> pl.DataFrame:
    """Rows of this decision that share what must differ."""
    wanted: list[tuple[str, ...]] = [(column.name,) for column in dataset.columns if column.shape.unique]
    wanted += [dataset.primary_key] if dataset.primary_key and dataset.primary_key not in wanted else []
    found: list[tuple[int, str, str, None, str]] = []
    for names in wanted:
        twice = good.select(pl.struct(names).is_duplicated() & pl.all_horizontal(pl.col(names).is_not_null()))
        message = f"another of these rows has the same {', '.join(names)}"
        found += [(number, names[0], "unique", None, message) for number in good.filter(twice.to_series())[ROW]]
    return pl.DataFrame(found, schema=FAULT_COLUMNS, orient="row")


def _still_bad(faults: Sequence[Fault]) -> RequestRefused:
    first = faults[0]
    row, _, column = first.path[1:].partition("/")
    where = f"Row {row}, {column.replace('~1', '/').replace('~0', '~')}" if column else f"Row {row}"
    message = f"Nothing was loaded. {where}: {first.message.rstrip('.')}" + (" (and more)." if len(faults) > 1 else ".")
    return RequestRefused(ROWS_STILL_BAD, message, faults=tuple(faults))


def _refuse_unloaded(ingestion: files.Ingestion) -> None:
    """Rows go in where the rest of their file did."""
    if ingestion.status != "succeeded":
        message = f"Delivery {ingestion.ingestion_id} is {ingestion.status}: nothing of it is loaded. Replay all of it."
        raise RequestRefused(INVALID_PARAMETER, message)


def _refuse_unknown(dataset: Dataset, patches: Patches) -> None:
    known = {column.name for column in dataset.columns}
    for number, patch in patches.items():
        for name in patch:
            if name not in known:
                message = f"Row {number}: the contract has no column {name[:100]!r}. It has {', '.join(sorted(known))}."
                raise RequestRefused(INVALID_PARAMETER, message[:1_000])


def _same(row: files.BadRow, patch: Patch) -> bool:
    return (row.patch or {}) == dict(patch)
