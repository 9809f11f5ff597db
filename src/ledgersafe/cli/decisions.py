"""`ledgersafe exceptions resolve|assign|bulk…`: what operators decide. Registered in the group of cli/exceptions.py."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.output import JsonOption, err, items_of, listing, members_of, note, out, plain, print_json, record
from ledgersafe.client.api import ApiClient
from ledgersafe.kernel.canonical import read_exactly
from ledgersafe.kernel.errors import RequestRefused

NotesOption = Annotated[str, typer.Option("--notes", help="Why; kept in the audit log.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The exception_id.")]
PatchOption = Annotated[
    str | None,
    typer.Option(help='A merge patch (RFC 7396) over the event: JSON, or @FILE, e.g. \'{"event_type": "SALE"}\'.'),
]
_RUN_COLUMNS = ("run_id", "tenant_id", "status", "planned", "resolved", "refused", "skipped", "actor", "created_at")
_EFFECT_COLUMNS = ("txn_id", "revision", "kind", "books_date", "account", "account_name", "debit", "credit", "currency")
_POLL_SECONDS = 0.5


class Choice(StrEnum):
    """Which payload of a key counts."""

    FIRST = "first"
    LAST = "last"


def resolve(
    ctx: typer.Context,
    exception_id: IdArgument,
    notes: NotesOption,
    ignore: Annotated[bool, typer.Option("--ignore", help="Let it go: nothing is replayed.")] = False,
    choose: Annotated[
        str | None, typer.Option(help="The payload that counts: first, last, or a raw_id. Not needed if there is one.")
    ] = None,
    patch: PatchOption = None,
    replay: Annotated[bool, typer.Option("--replay", help="Accept the only payload as it is.")] = False,
    expect_last: Annotated[
        str | None, typer.Option(help="Refuse if another payload came since: the last raw_id you saw.")
    ] = None,
    books_date: Annotated[str | None, typer.Option(help="Book it on this open day (YYYY-MM-DD).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would become of it, and leave it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Decide on one: --ignore it, or have a payload accepted (--choose, --patch, --replay)."""
    wish = _wish(ignore, replay=replay or choose is not None or patch is not None) | {
        "resolution_notes": notes,
        "canonical_raw_id": choose,
        "override_patch": _read_patch(patch),
        "expected_last_raw_id": expect_last,
        "books_date": books_date,
        "dry_run": dry_run,
    }
    with connection_of(ctx).client() as client:
        answer = client.post(f"/v1/exceptions/{quote(exception_id, safe='')}/resolve", wish)
    if as_json:
        print_json(answer)
        return
    title = "Would be resolved (dry run: nothing was changed)" if dry_run else "Resolved"
    plain_members = {name: value for name, value in members_of(answer).items() if value is not None}
    effect = members_of(plain_members.pop("effect", None))
    out().print(record(title, plain_members))
    if effect:
        _show_effect(effect)


def assign(
    ctx: typer.Context,
    exception_id: IdArgument,
    to: Annotated[str | None, typer.Option(help="Whom; without it, nobody.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Give one to somebody to look at."""
    with connection_of(ctx).client() as client:
        answer = client.post(f"/v1/exceptions/{quote(exception_id, safe='')}/assign", {"assigned_to": to})
    if as_json:
        print_json(answer)
    else:
        note(f"Exception {exception_id} is {'nobody' if to is None else to}'s now.")


def bulk(
    ctx: typer.Context,
    notes: NotesOption,
    tenant: Annotated[str | None, typer.Option(help="Whose; needed with a key of several tenants.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    store: Annotated[str | None, typer.Option(help="Only this store.")] = None,
    assigned_to: Annotated[str | None, typer.Option(help="Only what is assigned to somebody.")] = None,
    older_than: Annotated[float | None, typer.Option(help="Only what was opened so many hours ago, or longer.")] = None,
    text: Annotated[str | None, typer.Option(help="Only where this is in key, store, source, type or faults.")] = None,
    ignore: Annotated[bool, typer.Option("--ignore", help="Let them go: nothing is replayed.")] = False,
    choose: Annotated[Choice | None, typer.Option(help="Which payload of each key counts.")] = None,
    patch: PatchOption = None,
    replay: Annotated[bool, typer.Option("--replay", help="Accept the payloads as they are.")] = False,
    max_replays: Annotated[int, typer.Option(min=1, max=100, help="Loop guard: replayed so often, it is skipped.")] = 3,
    plan: Annotated[
        str | None, typer.Option(help="As the plan is called: refuse if any of it has changed since, and take no more.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without it, only the plan is shown.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until the run has ended.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Decide on many at once. Shows the plan; with --yes, runs it."""
    wish = _wish(ignore, replay=replay or choose is not None or patch is not None) | {
        "filter": {
            name: value
            for name, value in {
                "tenant_id": tenant,
                "reason_code": reason.upper() if reason else None,
                "store_id": store,
                "assigned_to": assigned_to,
                "min_age_seconds": None if older_than is None else older_than * 3600,
                "text": text,
            }.items()
            if value is not None
        },
        "resolution_notes": notes,
        "canonical": choose,
        "override_patch": _read_patch(patch),
        "max_replays": max_replays,
        "plan": plan,
        "dry_run": not yes,
    }
    with connection_of(ctx).client() as client:
        answer = members_of(client.post("/v1/exceptions:resolve", wish))
        if yes and wait:
            answer = _wait(client, answer, quiet=as_json)
    if as_json:
        print_json(answer)
    elif yes:
        _show_run(answer)
    else:
        _show_plan(answer)


def bulk_runs(
    ctx: typer.Context,
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="One run; without it, the latest.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop it; what is decided stays.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show bulk runs; cancel or resume one."""
    with connection_of(ctx).client() as client:
        if run_id is None:
            if cancel or resume:
                raise CliError("Say which run to cancel or resume: `exceptions runs` lists them.")
            answer = members_of(client.get("/v1/bulk-runs"))
            runs = items_of(answer.get("items"))
        else:
            address = f"/v1/bulk-runs/{quote(run_id, safe='')}"
            step = "/cancel" if cancel else "/resume" if resume else ""
            answer = members_of(client.post(address + step, {}) if step else client.get(address))
            runs = [answer]
    if as_json:
        print_json(answer)
    elif runs:
        out().print(listing("Bulk runs", runs, _RUN_COLUMNS))
    else:
        out().print(plain("No bulk runs yet."))


def _wish(ignore: bool, *, replay: bool) -> dict[str, Any]:
    if ignore == replay:
        raise CliError("Say what to do: --ignore, or one or more of --choose, --patch, --replay.")
    return {"action": "mark_resolved_no_replay" if ignore else "override_and_replay"}


def _read_patch(patch: str | None) -> Any:
    if patch is None:
        return None
    try:
        body = Path(patch[1:]).read_bytes() if patch.startswith("@") else patch.encode(errors="surrogatepass")
        value = read_exactly(body)
    except OSError as error:
        raise CliError(f"Cannot read the patch {patch[1:]}: {error.strerror}.") from None
    except RequestRefused as refusal:
        raise CliError(f"The patch cannot be taken: {refusal.detail}") from None
    if not isinstance(value, dict):
        raise CliError('The patch must be a JSON object, e.g. \'{"event_type": "SALE"}\'.')
    return value  # pyright: ignore[reportUnknownVariableType]


def _show_effect(effect: dict[str, Any]) -> None:
    """What a dry run says of the ledger."""
    if entries := items_of(effect.get("entries")):
        out().print(listing("What it would do to the ledger", entries, _EFFECT_COLUMNS))
    for fault in items_of(effect.get("faults")):
        out().print(plain(f"{fault.get('reason_code')} {fault.get('path')}: {fault.get('message')}", style="red"))
    if effect.get("note"):
        note(str(effect["note"]))


def _wait(client: ApiClient, run: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Follow a run to its end."""
    columns = (TextColumn("deciding"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err(), disable=quiet, transient=True) as progress:
        bar = progress.add_task("", total=run["planned"])
        while run["status"] == "running":
            time.sleep(_POLL_SECONDS)
            run = members_of(client.get(f"/v1/bulk-runs/{run['run_id']}"))
            progress.update(bar, completed=run["resolved"] + run["refused"] + run["skipped"])
    return run


def _show_run(run: dict[str, Any]) -> None:
    out().print(listing("Bulk run", [run], _RUN_COLUMNS))
    if run["refused"]:
        note(f"{run['refused']} were refused and stay open: `ledgersafe exceptions list` shows them.")


def _show_plan(answer: dict[str, Any]) -> None:
    out().print(plain(f"{answer['count']:,} open exceptions would be decided on; nothing was changed."))
    columns = ("exception_id", "idempotency_key", "reason_code", "amount", "currency", "created_at")
    out().print(listing("The first of them", items_of(answer["sample"]), columns))
    for stake in items_of(answer["at_stake"]):
        if stake["amount"] is not None:
            out().print(plain(f"At stake: {stake['amount']} {stake['currency'] or 'without a currency'}."))
    note("Do it with --yes.")
    note(f"With --yes --plan '{answer['plan']}' it decides on these alone, as they are now, or not at all.")
