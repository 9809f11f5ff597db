"""`ledgersafe exceptions`: what is parked, and why."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer
from rich.console import Console

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.decisions import assign, bulk, bulk_runs, resolve
from ledgersafe.cli.output import (
    JsonOption,
    items_of,
    listing,
    members_of,
    note,
    out,
    plain,
    print_answer,
    print_json,
    record,
)
from ledgersafe.cli.records import pages
from ledgersafe.client.api import read_answer
from ledgersafe.client.origins import in_words

app = typer.Typer(no_args_is_help=True, help="List, show and decide on parked events.")
for _name, _decision in (("resolve", resolve), ("assign", assign), ("bulk", bulk), ("runs", bulk_runs)):
    app.command(_name)(_decision)

_LISTED = ("exception_id", "tenant_id", "idempotency_key", "reason_code", "status", "arrivals", "amount", "currency")
_TIMES = ("created_at", "assigned_to")
_PAYLOADS = ("decision", "raw_id", "fingerprint")
_SUMMARY = (
    "arrivals",
    "store_id",
    "source_system",
    "event_type",
    "amount",
    "currency",
    "created_at",
    "last_arrival_at",
)
_DECISION = ("assigned_to", "replay_attempts", "last_replay_status", "resolved_at", "resolution_action")
_HASHES = ("fingerprint",)


class Status(StrEnum):
    """The status of an exception, as a filter."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


@app.command("list")
def list_exceptions(
    ctx: typer.Context,
    status: Annotated[Status, typer.Option(help="Which ones.")] = Status.OPEN,
    reason: Annotated[str | None, typer.Option(help="Only this reason code, e.g. TOTALS_MISMATCH.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    assigned_to: Annotated[str | None, typer.Option(help="Only what is assigned to somebody.")] = None,
    text: Annotated[str | None, typer.Option(help="Only where this is in key, store, source, type or faults.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List parked events, oldest first. With --json: {"items": [...], "more": whether there are others}."""
    filters = {
        "status": None if status is Status.ALL else status.value,
        "reason_code": reason.upper() if reason else None,
        "tenant_id": tenant,
        "assigned_to": assigned_to,
        "text": text,
    }
    with connection_of(ctx).client() as client:
        items, more = pages(client, "/v1/exceptions", filters, limit)
    if as_json:
        print_json({"items": items, "more": more})
        return
    if not items:
        out().print(plain(f"No {'' if status is Status.ALL else status.value + ' '}exceptions."))
        return
    out().print(listing(f"Exceptions ({len(items):,})", items, (*_LISTED, *_TIMES)))
    if more:
        note(f"There are more: --limit {limit * 10}.")


@app.command("show")
def show_exception(
    ctx: typer.Context,
    exception_id: Annotated[str, typer.Argument(metavar="ID", help="The exception_id.")],
    as_json: JsonOption = False,
) -> None:
    """Show one parked event: what arrived, what the gate knows of its key, what is wrong, and how payloads differ."""
    with connection_of(ctx).client() as client:
        response = client.get_raw(f"/v1/exceptions/{quote(exception_id, safe='')}")
        answer = members_of(read_answer(response))
    if as_json:
        print_answer(response.content)
    else:
        show(answer, out())


def show(answer: Mapping[str, Any], console: Console) -> None:
    """The chain for people: arrivals → gate → exception → payloads."""
    exception = members_of(answer.get("exception"))
    gate = items_of(answer.get("events_processed")) or [members_of(answer.get("events_processed"))]
    first, last = members_of(answer.get("first_raw_event")), members_of(answer.get("last_raw_event"))
    heading = {name: exception.get(name) for name in ("exception_id", "tenant_id", "idempotency_key", "status")}
    heading |= {"reason_code": exception.get("reason_code")}
    heading |= {name: exception[name] for name in (*_SUMMARY, *_DECISION) if exception.get(name) is not None}
    console.print(record("Exception", heading))
    faults = items_of(exception.get("details_json"))
    if faults:
        console.print()
        console.print(listing(f"Faults ({len(faults):,})", faults, ("reason_code", "path", "message")))
    for row in filter(None, gate):
        console.print()
        console.print(record("Gate", row))
    payloads = items_of(answer.get("payloads"))
    if payloads:
        console.print()
        console.print(listing(f"Payloads of this key ({len(payloads):,})", payloads, _PAYLOADS, _HASHES))
    for title, raw in (("First payload", first), ("Last payload", last)):
        if raw and not (raw is last and last.get("raw_id") == first.get("raw_id")):
            _show_raw(title, raw, console)
    differences = answer.get("diff")
    if differences:
        console.print()
        rows = items_of(differences)
        console.print(listing("First against last", rows) if rows else record("Diff", {"": differences}))


def _show_raw(title: str, raw: Mapping[str, Any], console: Console) -> None:
    console.print()
    console.print(plain(f"{title} (raw_id {raw.get('raw_id')}, received {raw.get('received_at', '?')})", style="bold"))
    if origin := members_of(raw.get("origin")):
        console.print(plain(f"made of {in_words(origin)} (delivery {origin.get('ingestion_id')})"))
    payload = raw.get("payload_json")
    text = payload if isinstance(payload, str) else orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()
    console.print(plain(text))
