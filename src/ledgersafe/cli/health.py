"""`ledgersafe health`: is it well, and how much is there?"""

import typer

from ledgersafe.cli.client import connection_of
from ledgersafe.cli.output import JsonOption, out, print_json, table


def health(ctx: typer.Context, json: JsonOption = False) -> None:
    """Show the status, and the counts of the tenants that the key serves."""
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/health")
    if json:
        print_json(answer)
        return
    out().print(
        f"{answer['status']}: database {answer['db']}, its time {answer['db_time']}, version {answer['version']}"
    )
    names = ("processed", "quarantined", "ignored")
    rows = [
        (row["tenant_id"], row["events_raw"], *(row["idempotency"][name] for name in names), row["exceptions_open"])
        for row in answer["tenants"] or ()
    ]
    out().print(table(None, ("tenant", "arrivals>", *(f"{name}>" for name in names), "open exceptions>"), rows))
