"""`ledgersafe verify`: does everything tie out?"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, out, plain, print_json, table
from ledgersafe.cli.seals import SECONDS, KeyOption, print_verified, verify_seals
from ledgersafe.client.api import ApiClient

_SECONDS = 600.0  # it counts every row


def verify(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="One tenant only.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Of the books only this books date or later, e.g. 2026-02-25: quicker.")
    ] = None,
    seals: Annotated[
        bool, typer.Option("--seals", help="The seals instead: every hash made anew from the rows.")
    ] = False,
    head: Annotated[Path | None, typer.Option(help="With --seals: a signed head that `seals head` wrote.")] = None,
    public_key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Hold what must always be true against the tables. Exits with 1 where anything is off."""
    if seals or head is not None:
        _verify_seals(ctx, tenant, head, public_key, json)
        return
    tenants: list[Mapping[str, Any]] = []
    with connection_of(ctx).client(seconds=_SECONDS) as client:
        for answer in _pages(client, {"tenant_id": tenant, "since": since}):
            tenants += answer["tenants"]
    ok = all(check["ok"] for one in tenants for check in one["checks"])
    if json:
        print_json({"ok": ok, "tenants": tenants})
    elif tenants:
        out().print(table(None, ("tenant", "check", "left>", "right>", "", "what"), check_rows(tenants)))
    else:
        out().print(plain("There is nothing yet."))
    if not ok:
        raise typer.Exit(1)


def _verify_seals(
    ctx: typer.Context, tenant: str | None, head: Path | None, public_key: Path | None, as_json: bool
) -> None:
    with connection_of(ctx).client(seconds=SECONDS) as client:
        found = verify_seals(client, tenant, head, public_key)
    if as_json:
        print_json(found)
    else:
        print_verified(found)
    if not found["ok"]:
        raise typer.Exit(1)


def _pages(client: ApiClient, filters: Mapping[str, str | None]) -> Iterator[Mapping[str, Any]]:
    """Every page, each of some tenants in one snapshot."""
    cursor: str | None = None
    while True:
        answer = client.get("/v1/verify", {**filters, "cursor": cursor})
        yield answer
        cursor = answer.get("next")
        if cursor is None:
            return


def check_rows(tenants: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows of the table: (tenant, check, left, right, "ok" or "OFF", what)."""
    return [
        (tenant["tenant_id"], check["name"], check["left"], check["right"], _verdict(check["ok"]), check["details"])
        for tenant in tenants
        for check in tenant["checks"]
    ]


def _verdict(ok: bool) -> str:
    return "ok" if ok else "OFF"
