"""`ledgersafe audit` and `ledgersafe rejected`: what is on record."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, members_of, note, out, plain, print_json
from ledgersafe.client.api import ApiClient

_PAGE = 500
_AUDIT = ("occurred_at", "actor", "action", "object_type", "object_id", "after_json", "notes")
_REJECTED = ("received_at", "rejected_id", "tenant_id", "door", "key_id", "reason_code", "detail", "body_bytes")
TenantOption = Annotated[str | None, typer.Option(help="Only this tenant.")]
LimitOption = Annotated[int, typer.Option(min=1, help="At most so many.")]


def audit(
    ctx: typer.Context,
    tenant: TenantOption = None,
    object_type: Annotated[str | None, typer.Option("--object-type", help="exception, key, bulk_run …")] = None,
    object_id: Annotated[str | None, typer.Option("--object", help="Only what was decided of this one.")] = None,
    actor: Annotated[str | None, typer.Option(help="system, owner, key:<id> or user:<subject>.")] = None,
    action: Annotated[str | None, typer.Option(help="E.g. exception.resolved.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on, ISO 8601 with an offset.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Who did what, and when: oldest first."""
    filters = {
        "tenant_id": tenant,
        "object_type": object_type,
        "object_id": object_id,
        "actor": actor,
        "action": action,
        "since": since,
        "until": until,
    }
    _show(ctx, "Audit", "/v1/audit", filters, limit, _AUDIT, as_json=as_json)


def rejected(
    ctx: typer.Context,
    tenant: TenantOption = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason code, e.g. INVALID_JSON.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Bodies that were refused at the door, latest first; --json shows them whole (at most 64 KiB each)."""
    filters = {"tenant_id": tenant, "reason_code": reason.upper() if reason else None}
    _show(ctx, "Rejected", "/v1/rejected", filters, limit, _REJECTED, as_json=as_json)


def _show(
    ctx: typer.Context,
    title: str,
    path: str,
    filters: Mapping[str, str | None],
    limit: int,
    columns: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    with connection_of(ctx).client() as client:
        items, more = pages(client, path, filters, limit)
    if as_json:
        print_json({"items": items, "more": more})
    elif items:
        out().print(listing(title, items, columns))
    else:
        out().print(plain("Nothing is on record for that."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


def pages(
    client: ApiClient, path: str, filters: Mapping[str, str | None], most: int
) -> tuple[list[dict[str, Any]], bool]:
    """The first `most` items of a list that comes in keyset pages, and whether there are more."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        wanted = min(_PAGE, most - len(items))
        page = members_of(client.get(path, {**filters, "limit": wanted, "cursor": cursor}))
        items += items_of(page.get("items"))
        cursor = page.get("next")
        if cursor is None or len(items) >= most:
            return items[:most], cursor is not None
