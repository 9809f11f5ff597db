"""`ledgersafe webhooks`: who is told of exceptions."""

from typing import Annotated

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, note, out, plain, print_json
from ledgersafe.cli.records import TenantOption

app = typer.Typer(no_args_is_help=True, help="Tell others of exceptions, by signed messages over HTTP.")
_COLUMNS = ("webhook_id", "url", "kinds", "pending", "failing_since", "last_error", "disabled_at")
IdArgument = Annotated[str, typer.Argument(help="The id, as `webhooks list` shows it.")]


@app.command()
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Where to: https, or http on a loopback address.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="exception.opened or exception.resolved; left out: both.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a webhook. Its secret is printed this once."""
    wish: dict[str, object] = {"url": url}
    if kind:
        wish["kinds"] = kind
    with connection_of(ctx).client() as client:
        made = client.post("/v1/webhooks", wish, {"tenant_id": tenant})
    if as_json:
        print_json(made)
    else:
        note(f"Webhook {made['webhook']['webhook_id']}. Keep the secret: it is shown this once.")
        typer.echo(made["secret"])


@app.command("list")
def list_all(ctx: typer.Context, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """The webhooks of a tenant, and how they are."""
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/webhooks", {"tenant_id": tenant})
    items = items_of(answer["items"])
    if as_json:
        print_json(answer)
    else:
        out().print(listing("Webhooks", items, _COLUMNS) if items else plain("There is no webhook."))


@app.command()
def remove(ctx: typer.Context, webhook_id: IdArgument, tenant: TenantOption = None) -> None:
    """Remove a webhook: what waited for it is not sent."""
    with connection_of(ctx).client() as client:
        client.send("DELETE", f"/v1/webhooks/{webhook_id}", {}, {"tenant_id": tenant})
    out().print(plain(f"Webhook {webhook_id} is removed."))


@app.command("test")
def send_test(ctx: typer.Context, webhook_id: IdArgument, tenant: TenantOption = None) -> None:
    """Send it a message that tells nothing; `webhooks list` shows what became of it."""
    with connection_of(ctx).client() as client:
        found = client.post(f"/v1/webhooks/{webhook_id}/test", {}, {"tenant_id": tenant})
    out().print(plain(f"Message {found['message_id']} is on its way."))
