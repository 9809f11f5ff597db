"""`ledgersafe trace EVENT_ID`: everything that happened to one event, from its first arrival to the books."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.tree import Tree

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, members_of, out, plain, print_answer, record
from ledgersafe.client.api import in_path, read_answer
from ledgersafe.client.origins import in_words

_CHAIN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("arrivals", "Arrivals", ("received_at", "raw_id", "door", "event_type", "payload_hash", "key_id", "file")),
    ("payloads", "Payloads", ("fingerprint", "decision", "raw_id")),
    (
        "exceptions",
        "Exceptions",
        ("exception_id", "status", "reason_code", "created_at", "assigned_to", "resolution_action", "resolved_at"),
    ),
    ("audit", "Audit", ("occurred_at", "actor", "action", "object_type", "object_id", "notes")),
    (
        "transactions",
        "Transactions",
        ("type", "revision", "txn_id", "books_date", "currency", "total"),
    ),
    ("entries", "Ledger entries", ("posted_at", "kind", "revision", "books_date", "currency", "accounts", "amounts")),
)
"""The steps of the chain, in order: the answer's member, its title, and the columns shown where they are there."""

_HASHES = ("payload_hash", "fingerprint", "body_sha256")


def trace(
    ctx: typer.Context,
    event_id: Annotated[str, typer.Argument(help="The event's event_id, its idempotency key.")],
    tenant: Annotated[str | None, typer.Option(help="The tenant; needed where the API key serves several.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to an event: arrivals, gate, exceptions, decisions, transaction, ledger, gold."""
    with connection_of(ctx).client() as client:
        response = client.get_raw(f"/v1/events/{in_path(event_id)}", {"tenant_id": tenant})
        answer = members_of(read_answer(response))
    if as_json:
        print_answer(response.content)
    else:
        show(answer, out())


def show(answer: Mapping[str, Any], console: Console) -> None:
    """The chain for people; steps that the event has not reached are named in one line."""
    key = members_of(answer.get("key"))
    heading = {"tenant_id": answer.get("tenant_id"), "event_id": answer.get("event_id")}
    console.print(record("Event", heading | key))
    missing: list[str] = []
    for name, title, columns in _CHAIN:
        items = [_with_file(item) for item in items_of(answer.get(name))]
        if items:
            console.print()
            console.print(listing(f"{title} ({len(items):,})", items, columns, _HASHES))
        else:
            missing.append(title.lower())
    rows = items_of(answer.get("gold"))
    if rows:
        console.print()
        console.print(_gold_tree(rows))
    else:
        missing.append("rows of gold")
    if missing:
        console.print()
        console.print(plain(f"None yet: {', '.join(missing)}.", style="dim"))


def _with_file(item: dict[str, Any]) -> dict[str, Any]:
    """An arrival that came out of a file says which rows of which it was made of; other things stay as they are."""
    origin = members_of(item.get("origin"))
    return item | {"file": in_words(origin)} if origin else item


def _gold_tree(rows: Sequence[Mapping[str, Any]]) -> Tree:
    """The rows of gold that the event moved, by table; those whose batch a table has yet to apply say so."""
    tree = Tree(plain(f"Rows of gold that it moved ({len(rows):,})", style="bold"))
    branches: dict[str, Tree] = {}
    for row in rows:
        name = str(row.get("table"))
        if name not in branches:
            branches[name] = tree.add(plain(name))
        keys = members_of(row.get("keys"))
        shown = "  ".join(f"{key} {value}" for key, value in keys.items()) if keys else "recomputed where it is touched"
        is_pending = row.get("state") == "pending"
        branches[name].add(plain(f"{shown}  (pending)" if is_pending else shown, style="yellow" if is_pending else ""))
    return tree
