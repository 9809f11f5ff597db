"""`ledgersafe stores`: the stores of tenants, and those that somebody has yet to look at."""

from typing import Annotated

import typer

from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.output import JsonOption, listing, members_of, note, out, plain, print_json, record
from ledgersafe.cli.records import LimitOption, TenantOption, pages
from ledgersafe.cli.settings_file import NOTHING, given
from ledgersafe.client.api import in_path

app = typer.Typer(no_args_is_help=True, help="Stores: what is set for them, and which nobody has looked at yet.")
_LISTED = ("tenant_id", "store_id", "name", "country", "region", "currency", "time_zone", "day_starts_at")


@app.command("list")
def list_stores(
    ctx: typer.Context,
    tenant: TenantOption = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Only those nobody has looked at.")] = False,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List stores. The first event of a store makes it, unverified."""
    filters = {"tenant_id": tenant, "is_verified": "false" if unverified else None}
    with connection_of(ctx).client() as client:
        items, more = pages(client, "/v1/stores", filters, limit)
    if as_json:
        print_json({"items": items, "more": more})
        return
    out().print(listing("Stores", items, (*_LISTED, "is_verified")) if items else plain("There is no such store."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


@app.command("set")
def set_store(
    ctx: typer.Context,
    store: Annotated[str, typer.Argument(metavar="STORE", help="Its store_id, as events name it.")],
    tenant: TenantOption = None,
    name: Annotated[str | None, typer.Option(help="What people call it; or none.")] = None,
    country: Annotated[str | None, typer.Option(help="Of its sales where an event names none; or none.")] = None,
    region: Annotated[str | None, typer.Option(help="Which region it reports to; or none.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217; none: as of its tenant.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA name; none: as of its tenant.")] = None,
    day_starts_at: Annotated[
        str | None, typer.Option(metavar="HOUR|none", help="The local hour at which its day begins, 0 to 23.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a store, or change its settings; what is not given stays. It is verified thereby.

    Time zone and day count for what is posted from then on.
    """
    wanted = given(
        name=name,
        country=country,
        region=region,
        currency=currency,
        time_zone=time_zone,
        day_starts_at=_hour(day_starts_at),
    )
    with connection_of(ctx).client() as client:
        answer = members_of(client.send("PUT", f"/v1/stores/{in_path(store)}", wanted, {"tenant_id": tenant}))
    if as_json:
        print_json(answer)
    else:
        out().print(record("Store", answer))


@app.command("verify")
def verify(
    ctx: typer.Context,
    store: Annotated[list[str], typer.Argument(metavar="STORE...", help="Their store_id.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note that somebody has looked at stores, and they are real."""
    with connection_of(ctx).client() as client:
        answer = members_of(client.post("/v1/stores:verify", {"store_ids": store}, {"tenant_id": tenant}))
    if as_json:
        print_json(answer)
    else:
        out().print(plain(f"{len(answer['items']):,} verified."))


def _hour(text: str | None) -> int | str | None:
    """An hour, or "none". Raises CliError."""
    if text is None or text == NOTHING:
        return text
    if not (text.isascii() and text.isdigit()):
        raise CliError(f"--day-starts-at is {text!r}, expected an hour from 0 to 23, or none.")
    return int(text)
