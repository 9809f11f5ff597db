"""`ledgersafe seals`: the chains of seals, their signed heads, and `ledgersafe verify --seals`."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from joserfc.jwk import OKPKey

from ledgersafe.audit.rules import head_fault
from ledgersafe.bootstrap import APPLICATION_ROLE, app_url, seal_key_of, settings
from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.output import JsonOption, items_of, listing, members_of, note, out, plain, print_json, table
from ledgersafe.cli.records import LimitOption, TenantOption, pages
from ledgersafe.client.api import ApiClient
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.pipeline.seal_key import UnusableKey, load_or_make, public_part, read_key, read_signed

SECONDS = 3_600.0  # it reads every body
_STATEMENT_SECONDS = 600.0
_COLUMNS = ("number", "rows", "batches", "sealed_at", "swept_until", "seal_hash")
KeyOption = Annotated[
    Path | None,
    typer.Option("--public-key", help="The key to verify with (JWK).", show_default="the signing key, if it is here"),
]
HeadArgument = Annotated[Path, typer.Argument(help="A file that `seals head` wrote.")]

app = typer.Typer(
    no_args_is_help=True, help="Seals over arrivals and audit rows; `ledgersafe verify --seals` checks them."
)


@app.command()
def make(tenant: TenantOption = None, json: JsonOption = False) -> None:
    """Seal now what is in no seal, on the database itself, as the worker does every minute. Exits with 1 on failure."""
    from ledgersafe.db.database import Database  # imported here: no other command on seals, nor verify,
    from ledgersafe.pipeline.seal import seal  # needs the database and all that seals are made of

    database = Database(app_url(settings()), size=2, role=APPLICATION_ROLE, statement_timeout=_STATEMENT_SECONDS)
    with closing(database):
        made = seal(database, SystemClock(), tenant_id=tenant)
    names = ("tenant_id", "kind", "number", "rows", "result")
    rows = [(it.chain.tenant_id, it.chain.kind, it.number, it.rows, it.error or "ok") for it in made]
    if json:
        print_json({"seals": [dict(zip(names, row, strict=True)) for row in rows]})
    elif rows:
        out().print(table(None, ("tenant", "seal of", "number>", "rows>", ""), rows))
    else:
        out().print("Everything is sealed.")
    if any(one.error is not None for one in made):
        raise typer.Exit(1)


@app.command("list")
def list_(
    ctx: typer.Context,
    tenant: TenantOption = None,
    kind: Annotated[str, typer.Option(help="arrivals or audit.")] = "arrivals",
    limit: LimitOption = 50,
    json: JsonOption = False,
) -> None:
    """A chain, newest seal first."""
    with connection_of(ctx).client() as client:
        items, more = pages(client, "/v1/seals", {"tenant_id": tenant, "kind": kind}, limit)
    if json:
        print_json({"items": items, "more": more})
        return
    out().print(listing(f"Seals of {kind}", items, _COLUMNS, ("seal_hash",)) if items else plain("There is none yet."))
    if more:
        note(f"There are more: --limit {limit * 10}.")


@app.command()
def head(
    ctx: typer.Context,
    file: Annotated[Path, typer.Option("--out", help="Where to write it; a file that is there stays as it is.")],
    tenant: TenantOption = None,
) -> None:
    """Write the signed head of a tenant's seals to a file. Keep it where no operator of this installation can write."""
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/seals/head", {"tenant_id": tenant})
    _write_new(file, answer["jws"] + "\n")
    stated = items_of(answer["statement"]["seals"])
    said = ", ".join(f"{one['kind']} up to seal {one['number']}" for one in stated) or "nothing is sealed yet"
    out().print(plain(f"{file}: {said}"))


@app.command("verify-head")
def verify_head(ctx: typer.Context, file: HeadArgument, public_key: KeyOption = None, json: JsonOption = False) -> None:
    """Check a head's signature, and that its seals are there. `ledgersafe verify --seals --head` checks all."""
    statement = read_head(file, public_key)
    with connection_of(ctx).client() as client:
        faults = head_faults(client, statement)
    if json:
        print_json({"ok": not faults, "statement": statement, "faults": faults})
    else:
        tenant, made_at = statement["tenant_id"], statement["made_at"]
        out().print(
            plain(f"Signed for tenant {tenant} at {made_at}: {'it holds' if not faults else 'it does not hold'}")
        )
        for fault in faults:
            out().print(plain(fault, style="red"))
    if faults:
        raise typer.Exit(1)


@app.command()
def key(
    file: Annotated[Path | None, typer.Option("--out", help="Also write the public key there, for auditors.")] = None,
) -> None:
    """Show the public key that heads are verified with; the pair is made where there is none."""
    path = seal_key_of(settings())
    try:
        public = public_part(load_or_make(path))
    except UnusableKey as error:
        raise CliError(f"{error}\nName another file with LEDGERSAFE_SEAL_KEY.") from None
    if file is not None:
        _write_new(file, orjson.dumps(public, option=orjson.OPT_INDENT_2).decode() + "\n")
    print_json(public)
    note(f"The private key is in {path}. Whoever has it can sign heads: keep it, and keep it to yourself.")


def read_head(file: Path, public_key: Path | None) -> dict[str, Any]:
    """What a head says, its signature checked. Raises CliError, RequestRefused."""
    try:
        return read_signed(file.read_text(encoding="ascii"), _key(public_key))
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"Cannot read the head {file}: {error}.") from None


def head_faults(client: ApiClient, statement: Mapping[str, Any]) -> list[str]:
    """What is wrong with the chains of a tenant, by a head that was exported before."""
    faults: list[str] = []
    for stated in items_of(statement["seals"]):
        name = {"tenant_id": statement["tenant_id"], "kind": stated["kind"], "number": stated["number"]}
        found = items_of(client.get("/v1/seals", {**name, "limit": 1})["items"])
        fault = head_fault(stated, found[0]["seal_hash"] if found else None)
        faults += [] if fault is None else [fault]
    return faults


def verify_seals(
    client: ApiClient, tenant: str | None, head_file: Path | None, public_key: Path | None
) -> dict[str, Any]:
    """Every chain verified, and held against a head: {"ok", "chains", "head_faults"}. Raises CliError."""
    statement = None if head_file is None else read_head(head_file, public_key)
    if statement is not None and tenant not in (None, statement["tenant_id"]):
        raise CliError(f"{head_file} is of tenant {statement['tenant_id']!r}, not of {tenant!r}.")
    chains = [chain for page in _verified(client, tenant) for chain in items_of(page["chains"])]
    faults = [] if statement is None else head_faults(client, statement)
    return {"ok": not faults and all(chain["ok"] for chain in chains), "chains": chains, "head_faults": faults}


def print_verified(found: Mapping[str, Any]) -> None:
    """The chains as a table, then each fault and each redacted arrival by name."""
    columns = ("tenant", "seals of", "seals>", "rows>", "pending>", "redacted>", "faults>", "")
    chains = items_of(found["chains"])
    rows = [(*_cells(chain), "ok" if chain["ok"] else "OFF") for chain in chains]
    out().print(table(None, columns, rows) if rows else plain("There is nothing to seal yet."))
    for chain in chains:
        for fault in items_of(chain["faults"]):
            out().print(plain(f"{chain['tenant_id']}: {fault['name']}: {fault['message']}", style="red"))
        hidden = chain["fault_count"] - len(chain["faults"])
        if hidden:
            out().print(plain(f"{chain['tenant_id']}: {hidden} more faults of {chain['kind']}", style="red"))
        if chain["redacted"]:
            out().print(plain(f"{chain['tenant_id']}: redacted: {', '.join(chain['redacted'])}"))
    for fault in found["head_faults"]:
        out().print(plain(f"HEAD_DIFFERS: {fault}", style="red"))


def _cells(chain: Mapping[str, Any]) -> Iterator[object]:
    for name in ("tenant_id", "kind", "seals", "rows", "pending", "redacted_count", "fault_count"):
        yield chain[name]


def _verified(client: ApiClient, tenant: str | None) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = members_of(client.get("/v1/seals/verify", {"tenant_id": tenant, "cursor": cursor}))
        yield page
        cursor = page["next"]
        if cursor is None:
            return


def _key(public_key: Path | None) -> OKPKey:
    try:
        return read_key(public_key or seal_key_of(settings()))
    except UnusableKey as error:
        raise CliError(f"{error}\nName the file of the public key with --public-key.") from None


def _write_new(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="ascii") as opened:
            opened.write(text)
    except FileExistsError:
        raise CliError(f"{file} is there already, and is not written over: name another file.") from None
    except OSError as error:
        raise CliError(f"Cannot write {file}: {error.strerror}.") from None
