"""bulk: one decision over many exceptions, as a run: planned, worked off in chunks, cancelled, resumed, survived.

A chunk is one transaction: its decisions, its items' fates and the run's progress commit together, so that a worker
killed at any point leaves whole chunks behind, and whoever takes the run over goes on where they end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import orjson

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database, Tx
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.kernel.reasons import INVALID_PARAMETER, NOT_FOUND, PLAN_CHANGED, RUN_ENDED
from ledgersafe.pipeline.resolve import Operator, Result, Wish, check_wish, decide
from ledgersafe.quarantine import store as quarantine
from ledgersafe.tenants.rules import SCOPES, Credential

CHUNK = 200
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would decide on: how many open exceptions, what they come to, and the first few of them.

    `name`: by which a run can be asked for that decides on exactly these, and on their payloads as they are.
    """

    count: int
    sample: list[quarantine.ExceptionRow]
    at_stake: list[quarantine.Stake]
    name: str


def plan(
    database: Database,
    tenant_id: str,
    chosen: quarantine.Filter,
    wish: Wish,
    now: datetime,
    planned_as: str | None = None,
) -> Plan:
    """A dry run. `planned_as`: the name of a plan over the same filter, which is looked at again.

    Raises RequestRefused where the wish makes no sense; with PLAN_CHANGED where that plan is not there as it was.
    """
    check_bulk_wish(wish, now)
    until = now if chosen.created_before is None else chosen.created_before
    until = until if planned_as is None else _until(planned_as)
    chosen = replace(chosen, created_before=until)
    with database.snapshot() as tx:
        extent = quarantine.extent(tx, tenant_id, chosen)
        sample = quarantine.page(tx, chosen, SAMPLE)
        at_stake = quarantine.at_stake(tx, tenant_id, chosen)
        found = extent.one()
        _keep_to(planned_as, until, found)
        return Plan(found.number, sample.all(), at_stake.all(), _name_of(until, found))


def start(
    database: Database,
    tenant_id: str,
    chosen: quarantine.Filter,
    wish: Wish,
    by: Operator,
    max_replays: int,
    planned_as: str | None = None,
) -> quarantine.Run:
    """Plan a run over what is open now, and let the workers have it.

    `planned_as`: the name of a plan over the same filter: it decides on what that told of, and on nothing else.
    Raises RequestRefused; with PLAN_CHANGED where that is not there any more as it was.
    """
    check_bulk_wish(wish, by.now)
    until = None if planned_as is None else _until(planned_as)
    if until is not None:
        chosen = replace(chosen, created_before=until)
    run_id = new_id()
    with database.transaction() as tx:
        quarantine.plan_run(tx, tenant_id, run_id, chosen)
        extent = quarantine.extent_of_run(tx, tenant_id, run_id).one()
        if until is not None:
            _keep_to(planned_as, until, extent)
        run = quarantine.NewRun(
            tenant_id=tenant_id,
            run_id=run_id,
            filter=orjson.dumps(_filter_facts(chosen)).decode(),
            wish=orjson.dumps(_wish_facts(wish)).decode(),
            max_replays=max_replays,
            actor=by.credential.actor,
            notes=wish.notes,
            planned=extent.number,
            created_at=by.now,
        )
        quarantine.insert_run(tx, run)
        facts = {"filter": _filter_facts(chosen), "wish": _wish_record(wish), "planned": extent.number}
        audit.insert(tx, [_entry(tenant_id, by, "bulk_run.started", run_id, facts, wish.notes)])
        return quarantine.run(tx, [tenant_id], UUID(run_id)).one()


def _name_of(until: datetime, extent: quarantine.Extent) -> str:
    return f"{until.isoformat()}/{extent.number}/{extent.digest}"


def _keep_to(planned_as: str | None, until: datetime, extent: quarantine.Extent) -> None:
    """Raises RequestRefused where another plan is named than what there is."""
    if planned_as is not None and _name_of(until, extent) != planned_as:
        message = f"What was planned has changed: {extent.number} are open of it now. Plan again, look, then begin."
        raise RequestRefused(PLAN_CHANGED, message)


def _until(planned_as: str) -> datetime:
    """Until when exceptions were opened that a plan told of. Raises RequestRefused: no plan is called so."""
    try:
        until = datetime.fromisoformat(planned_as.partition("/")[0])
    except ValueError:
        until = None
    if until is None or until.tzinfo is None:
        raise RequestRefused(INVALID_PARAMETER, f"No plan is called {planned_as!r}: take `plan` of a dry run's answer.")
    return until


def find(database: Database, by: Credential, run_id: UUID) -> quarantine.Run:
    """One run. Raises RequestRefused(NOT_FOUND)."""
    with database.snapshot() as tx:
        return _find(tx, by, run_id)


def latest(
    database: Database, tenant_ids: Sequence[str] | None, before: tuple[datetime, UUID] | None, most: int
) -> list[quarantine.Run]:
    """One page of the runs of these tenants, latest first. `before`: (created_at, run_id) of the last one seen."""
    with database.snapshot() as tx:
        return quarantine.runs(tx, tenant_ids, before, most).all()


def items(
    database: Database, by: Credential, run_id: UUID, outcome: str | None, after_id: UUID | None, most: int
) -> list[quarantine.NamedItem]:
    """One page of a run's items. Raises RequestRefused(NOT_FOUND)."""
    with database.snapshot() as tx:
        run = _find(tx, by, run_id)
        name = quarantine.RunName(run.tenant_id, run.run_id)
        return quarantine.items(tx, name, outcome, after_id, most).all()


def steer(database: Database, run_id: UUID, to: Literal["running", "cancelled"], by: Operator) -> quarantine.Run:
    """Cancel a run, or resume it: what it decides from then on, this operator does. The chunk under way still ends.

    A run that is so already stays as it is, and nothing goes on record. Raises RequestRefused: not found, finished.
    """
    with database.transaction() as tx:
        name = quarantine.RunName(_find(tx, by.credential, run_id).tenant_id, run_id)
        run = quarantine.hold_run(tx, name).one()
        if run.status == "finished":
            raise RequestRefused(RUN_ENDED, f"Run {run_id} is finished: {run.resolved} of {run.planned} resolved.")
        if run.status != to:
            quarantine.set_run_status(tx, name, to, by.credential.actor, by.now)
            action = "bulk_run.cancelled" if to == "cancelled" else "bulk_run.resumed"
            audit.insert(tx, [_entry(run.tenant_id, by, action, str(run_id), {"before": run.status}, None)])
        return _find(tx, by.credential, run_id)


def running(database: Database) -> list[quarantine.RunName]:
    """Runs that have work."""
    with database.snapshot() as tx:
        return quarantine.running_runs(tx).all()


def work_off(database: Database, name: quarantine.RunName, now: datetime, future_seconds: float) -> bool:
    """Decide on the next chunk of a run. Returns whether it did: another worker may have the run, or it has ended."""
    with database.transaction() as tx:
        run = quarantine.lock_run(tx, name).first()
        if run is None:
            return False
        chunk = quarantine.next_items(tx, name, CHUNK).all()
        is_over = len(chunk) < CHUNK
        ended = _decide_chunk(tx, run, chunk, now, future_seconds) if chunk else []
        if ended:
            quarantine.end_items(tx, name, ended)
        count = {
            outcome: sum(item.outcome == outcome for item in ended) for outcome in ("resolved", "refused", "skipped")
        }
        progress = quarantine.Progress(**count, is_over=is_over)
        quarantine.advance_run(tx, name, progress, now)
        if is_over:
            operator = Operator(_credential_of(run), now, future_seconds)
            total = {outcome: getattr(run, outcome) + number for outcome, number in count.items()}
            audit.insert(tx, [_entry(run.tenant_id, operator, "bulk_run.finished", str(run.run_id), total, None)])
        return True


def _decide_chunk(
    tx: Tx, run: quarantine.Run, chunk: list[quarantine.Planned], now: datetime, future_seconds: float
) -> list[quarantine.Item]:
    wish = _wish_of(run)
    seen = {one.exception_id: one.last_raw_id for one in chunk}
    attempts = {row.exception_id: row for row in quarantine.exceptions_by_id(tx, run.tenant_id, list(seen)).all()}
    is_replay = wish.action == "override_and_replay"
    guarded = [one for one in seen if is_replay and attempts[one].replay_attempts >= run.max_replays]
    worth_trying = [one for one in seen if one not in guarded]
    operator = Operator(_credential_of(run), now, future_seconds)
    results = decide(tx, run.tenant_id, worth_trying, wish, operator, seen).results if worth_trying else []
    skipped = f"replayed {run.max_replays} times already"
    return [_item(result) for result in results] + [quarantine.Item(one, "skipped", skipped) for one in guarded]


def _item(result: Result) -> quarantine.Item:
    if result.refusal is None:
        return quarantine.Item(result.exception_id, "resolved", None)
    detail = f"{result.refusal.reason.code}: {result.refusal.detail}"
    was_open = result.refusal.reason.code not in ("ALREADY_RESOLVED", "NOT_FOUND")
    return quarantine.Item(result.exception_id, "refused" if was_open else "skipped", detail)


def check_bulk_wish(wish: Wish, now: datetime) -> None:
    """Raises RequestRefused where the wish makes no sense for many exceptions."""
    check_wish(wish, now)
    if isinstance(wish.canonical, UUID) or wish.expected_last_raw_id is not None:
        message = "A bulk run chooses 'first' or 'last' of each key's payloads; it can name no raw_id."
        raise RequestRefused(INVALID_PARAMETER, message)


def _find(tx: Tx, by: Credential, run_id: UUID) -> quarantine.Run:
    run = quarantine.run(tx, None if by.tenant_ids is None else list(by.tenant_ids), run_id).first()
    if run is None:
        raise RequestRefused(NOT_FOUND, f"There is no bulk run {run_id}.")
    return run


def _credential_of(run: quarantine.Run) -> Credential:
    """Whoever began the run decides, or went on with it last, also when a worker does the work."""
    return Credential(run.resumed_by or run.actor, None, (run.tenant_id,), frozenset(SCOPES))


def _entry(
    tenant_id: str, by: Operator, action: str, run_id: str, after: dict[str, Any], notes: str | None
) -> audit.Entry:
    return audit.Entry(tenant_id, by.now, by.credential.actor, action, "bulk_run", run_id, after=after, notes=notes)


def _filter_facts(chosen: quarantine.Filter) -> dict[str, Any]:
    names = ("store_id", "reason_code", "created_before", "assigned_to", "text")
    return {name: value for name in names if (value := getattr(chosen, name)) is not None}


def _wish_record(wish: Wish) -> dict[str, Any]:
    """The same for the audit log, which keeps no values of a patch."""
    facts = _wish_facts(wish)
    return facts | {"patch": sorted(wish.patch or {})}


def _wish_facts(wish: Wish) -> dict[str, Any]:
    return {
        "action": wish.action,
        "canonical": wish.canonical,
        "patch": wish.patch,
        "books_date": wish.books_date,
        "claimed_actor": wish.claimed_actor,
    }


def _wish_of(run: quarantine.Run) -> Wish:
    facts: dict[str, Any] = run.wish
    return Wish(
        action=facts["action"],
        notes=run.notes,
        canonical=facts["canonical"],
        patch=facts["patch"],
        books_date=None if facts["books_date"] is None else date.fromisoformat(facts["books_date"]),
        claimed_actor=facts["claimed_actor"] if run.resumed_by in (None, run.actor) else None,  # it was of who began
    )
