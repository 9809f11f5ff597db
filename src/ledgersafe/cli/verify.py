"""`ledgersafe verify`: does everything tie out?"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, out, print_json, table

_SECONDS = 600.0  # it counts every row


def verify(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="One tenant only.")] = None,
    json: JsonOption = False,
) -> None:
    """Hold what must always be true against the tables. Exits with 1 where anything is off."""
    with connection_of(ctx).client(seconds=_SECONDS) as client:
        answer = client.get("/v1/verify", {"tenant_id": tenant})
    if json:
        print_json(answer)
    else:
        out().print(table(None, ("tenant", "check", "left>", "right>", "", "what"), check_rows(answer["tenants"])))
    if not answer["ok"]:
        raise typer.Exit(1)


def check_rows(tenants: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows of the table: (tenant, check, left, right, "ok" or "OFF", what)."""
    return [
        (tenant["tenant_id"], check["name"], check["left"], check["right"], _verdict(check["ok"]), check["details"])
        for tenant in tenants
        for check in tenant["checks"]
    ]


def _verdict(ok: bool) -> str:
    return "ok" if ok else "OFF"
