"""`ledgersafe contracts`: what a valid file of a dataset is. Only put, list and show ask the API."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from ledgersafe.cli.client import CliError, connection_of
from ledgersafe.cli.output import JsonOption, err, items_of, listing, note, out, plain, print_json, table
from ledgersafe.contracts.datasets.diff import Change, Mode, diff
from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.names import dataset_name
from ledgersafe.contracts.datasets.reading import InvalidContract, checked, ours, parsed
from ledgersafe.contracts.datasets.writing import as_json_schema, as_odcs, members_of
from ledgersafe.kernel.strict_yaml import write_yaml

_MOST_SHOWN = 20
_LISTED = ("dataset", "kind", "contract_version", "deliveries", "waiting", "quarantined", "last_received_at")
_STYLES = {"ERROR": "bold red", "WARN": "yellow", "INFO": ""}
ContractFile = Annotated[Path, typer.Argument(metavar="CONTRACT.yaml", help="Ours, or of the standard (ODCS 3).")]
DataFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSON, NDJSON, Parquet or XLSX; also .gz, .zst.")
]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose; needed where the key serves several.")]
RowsOption = Annotated[int, typer.Option(min=1, max=10_000_000, help="Of how many rows it is made.")]

app = typer.Typer(no_args_is_help=True, help="Write, check and compare contracts of files.")


@app.command()
def validate(files: list[ContractFile], json: JsonOption = False) -> None:
    """Check contracts; every fault is named with its place. Exits with 1 where one cannot be used."""
    found = {file: _faults(file) for file in files}
    if json:
        print_json(
            {"ok": not any(found.values()), "files": [{"file": str(f), "faults": of} for f, of in found.items()]}
        )
    else:
        for file, faults in found.items():
            if not faults:
                out().print(plain(f"{file}: good"))
            for fault in faults:
                out().print(plain(f"{file}: {fault['path'] or '/'}: {fault['message']}", style="red"))
    if any(found.values()):
        raise typer.Exit(1)


@app.command()
def infer(
    file: DataFile,
    dataset: Annotated[str | None, typer.Option(help="Its name.", show_default="the file's")] = None,
    rows: RowsOption = 100_000,
) -> None:
    """Write a first contract from a file, for a person to read and correct: to standard output, as YAML.

    Comments at its top say what in it is guessed, and what of the file was not read.
    """
    from ledgersafe.cli import contract_files  # polars takes a moment to load, and may not be installed

    members, told = contract_files.inferred(file, dataset or dataset_name(file.name), rows)
    for sentence in told:
        typer.echo(f"# {_in_one_line(sentence)}")
    typer.echo(write_yaml(members), nl=False)


@app.command()
def check(
    contract: ContractFile,
    file: DataFile,
    faults: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many faults to print.")] = _MOST_SHOWN,
    json: JsonOption = False,
) -> None:
    """Hold a file against a contract, row by row, and load nothing. Exits with 1 where a row is bad."""
    from ledgersafe.cli import contract_files

    result = contract_files.checked_file(_read(contract), file, faults)
    if json:
        print_json(result.as_json())
    else:
        if result.faults:
            out().print(table(None, ("row>", "column", "rule", "value", "what is wrong"), result.faults))
        out().print(plain(f"{result.rows:,} rows: {result.rows - result.bad:,} good, {result.bad:,} bad."))
        for name in result.missing:
            err().print(plain(f"The file has no column for {name!r}.", style="yellow"))
        for name in result.unknown:
            err().print(plain(f"The contract knows no column {name!r}; it is left out.", style="yellow"))
        for sentence in result.not_read:
            err().print(plain(sentence, style="yellow"))
    if result.bad:
        raise typer.Exit(1)


@app.command("diff")
def compare(
    old: ContractFile,
    new: ContractFile,
    mode: Annotated[
        Mode,
        typer.Option(
            help="backward: old files are still taken. forward: readers of the old table find what they read."
        ),
    ] = "backward",
    json: JsonOption = False,
) -> None:
    """What a new contract changes, by level: ERROR breaks what the mode promises. Exits with 1 where there is one."""
    changes = diff(_read(old), _read(new), mode)
    if json:
        print_json([{"level": one.level, "path": one.path, "message": one.message} for one in changes])
    elif changes:
        out().print(table(None, ("level", "where", "what"), [_row(one) for one in changes]))
        counted = Counter(one.level for one in changes)
        out().print(plain(", ".join(f"{counted[level]} {level}" for level in _STYLES if counted[level])))
    else:
        out().print("They mean the same.")
    if any(one.level == "ERROR" for one in changes):
        raise typer.Exit(1)


@app.command()
def export(
    contract: ContractFile,
    to: Annotated[Literal["yaml", "odcs", "json-schema"], typer.Option(help="In which form.")] = "odcs",
) -> None:
    """Write a contract in another form, to standard output: ours, the Open Data Contract Standard, or JSON Schema."""
    dataset = _read(contract)
    if to == "json-schema":
        print_json(as_json_schema(dataset))
        return
    typer.echo(write_yaml(as_odcs(dataset) if to == "odcs" else members_of(dataset)), nl=False)


@app.command()
def put(
    ctx: typer.Context,
    contract: ContractFile,
    tenant: TenantOption = None,
    notes: Annotated[str | None, typer.Option("--notes", help="Why.")] = None,
    json: JsonOption = False,
) -> None:
    """Put a contract in force. What says the same as the one in force makes no new version."""
    members = members_of(_read(contract))
    with connection_of(ctx).client() as client:
        asked = {"tenant_id": tenant, "notes": notes}
        found = client.send("PUT", f"/v1/datasets/{members['dataset']}/contract", members, asked)
    if json:
        print_json(found)
        return
    stands = "is in force now" if found["changed"] else "is in force already"
    out().print(plain(f"Version {found['contract']['version']} of {members['dataset']} {stands}."))
    for change in items_of(found["changes"]):
        note(f"{change['level']} {change['path']}: {change['message']}")


@app.command("list")
def list_all(ctx: typer.Context, tenant: TenantOption = None, json: JsonOption = False) -> None:
    """The datasets of a tenant, and the versions of their contracts."""
    with connection_of(ctx).client() as client:
        answer = client.get("/v1/datasets", {"tenant_id": tenant, "limit": 1000})
    items = items_of(answer["items"])
    if json:
        print_json(answer)
    else:
        out().print(listing("Datasets", items, _LISTED) if items else plain("There is none."))


@app.command()
def show(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Its name.")],
    version: Annotated[int | None, typer.Option(min=1, show_default="the one in force", help="Which.")] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """The contract of a dataset, as YAML."""
    with connection_of(ctx).client() as client:
        asked = {"tenant_id": tenant, "version": version}
        found = client.get(f"/v1/datasets/{quote(dataset, safe='')}/contract", asked)
    if json:
        print_json(found)
    else:
        typer.echo(write_yaml(found["contract"]), nl=False)


def _in_one_line(text: str) -> str:
    """As a comment of YAML: names of columns may hold line breaks, and what no YAML may hold."""
    return "".join(character if character.isprintable() else " " for character in text)


def _row(change: Change) -> tuple[Any, ...]:
    return plain(change.level, style=_STYLES[change.level]), change.path, change.message


def _read(file: Path) -> Dataset:
    """A contract, ours or of the standard. Raises CliError."""
    try:
        return _dataset(file)
    except InvalidContract as error:
        lines = "\n".join(f"  {fault.path or '/'}: {fault.message}" for fault in error.faults)
        raise CliError(f"{file} is no contract that can be used:\n{lines}") from None


def _faults(file: Path) -> list[dict[str, str]]:
    try:
        _dataset(file)
    except InvalidContract as error:
        return [fault.as_json() for fault in error.faults]
    return []


def _dataset(file: Path) -> Dataset:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CliError(f"Cannot read {file}: a contract is text in UTF-8. Is it the data file?") from None
    return checked(ours(parsed(text)))
