"""`ledgersafe verify`: does everything tie out?"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from ledgersafe.bootstrap import APPLICATION_ROLE, app_url, settings
from ledgersafe.cli.client import CliError, connection_of
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
    bodies: Annotated[
        bool,
        typer.Option(
            "--bodies",
            help="Instead, on the database itself: every posting that stands against its body, which is read anew.",
        ),
    ] = False,
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
    if bodies:
        tenants += _of_bodies(tenant, since)
    else:
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


def _of_bodies(tenant: str | None, since: str | None) -> list[Mapping[str, Any]]:
    from ledgersafe.db.database import Database  # imported here, as for `seals make`: no other check needs the
    from ledgersafe.pipeline.verify_bodies import verify_bodies  # database, and all that posting is made of

    try:
        day = None if since is None else date.fromisoformat(since)
    except ValueError:
        raise CliError(f"--since {since} is no date: write 2026-02-25.") from None
    database = Database(app_url(settings()), size=2, role=APPLICATION_ROLE, statement_timeout=_SECONDS)
    with closing(database):
        return [asdict(found) for found in verify_bodies(database, tenant, day)]


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
