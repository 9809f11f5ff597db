"""The parts of the documentation that list code are made from the code: `python -m tests.docs.generate` writes them.

A test makes them anew in memory and compares. To add a page, write a function and put it on the list at the end.
"""

import asyncio
import inspect
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import httpx
import msgspec
import psycopg
import typer
from prometheus_client.metrics import MetricWrapperBase

from ledgersafe.api import metrics
from ledgersafe.api.app import make_app
from ledgersafe.bootstrap import Runtime
from ledgersafe.cli import app as cli
from ledgersafe.contracts.envelope import Envelope, Instant, Name, ShortText, Text
from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.items import Line, Tender
from ledgersafe.db.database import Database
from ledgersafe.db.embedded import EmbeddedPostgres
from ledgersafe.db.migrate import migrate
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.money import Amount
from ledgersafe.kernel.reasons import REASONS, Reason
from ledgersafe.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "demo" / "expected-output.md"
DEMO_BEGIN = "<!-- generated from demo/expected-output.md; `make docs` writes it anew: begin -->"
DEMO_END = "<!-- generated: end -->"


def reason_codes() -> str:
    """Every reason code, in groups by who is told what."""
    groups: tuple[tuple[str, str, Callable[[Reason], bool]], ...] = (
        ("Held or answered", "The arrival is kept; the answer is a success.", lambda reason: reason.status < 300),
        ("Refused", "The request is at fault; no event was taken in.", lambda reason: 400 <= reason.status < 500),
        ("Not now", "Nothing was decided. Send the same request again.", lambda reason: reason.status >= 500),
    )
    lines = _head("Reason codes", "src/ledgersafe/kernel/reasons.py")
    lines += ["A code is text. It lives forever, may be retired, and is never renamed."]
    lines += ["`who` says who must act: the sender, an operator, we who run Ledgersafe, or nobody (`TIME`).", ""]
    for title, explanation, belongs in groups:
        rows = [
            (f"`{reason.code}`", reason.status, reason.who, reason.summary)
            for reason in REASONS.values()
            if belongs(reason)
        ]
        lines += [f"## {title}", "", explanation, "", *_table(("code", "HTTP", "who", "what it says"), rows), ""]
    return _text(lines)


def settings() -> str:
    """Every setting, from the one class that has them."""
    rows = [
        (f"`LEDGERSAFE_{name.upper()}`", _setting_type(field), _setting_default(field), field.description)
        for name, field in Settings.model_fields.items()
    ]
    lines = _head("Settings", "src/ledgersafe/settings.py")
    lines += ["Settings come from the environment and are read once, when a process starts.", ""]
    return _text([*lines, *_table(("variable", "type", "default", "what it sets"), rows)])


def _setting_type(field: Any) -> str:
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)] or [field.annotation]
    if all(isinstance(kind, str | int) for kind in kinds):
        return ", ".join(f"`{kind}`" for kind in kinds)
    words = {"Path": "path", "SecretStr": "secret", "str": "text", "int": "integer", "float": "number"}
    limits = [
        f"{sign} {getattr(limit, attribute):,}"
        for limit in field.metadata
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(limit, attribute, None) is not None
    ]
    return " ".join([words[kinds[0].__name__], ", ".join(limits)]).strip()


def _setting_default(field: Any) -> str:
    return "not set" if field.default is None else f"`{field.default}`"


def metrics_page() -> str:
    """Every metric, from the module that defines them."""
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    rows = [
        (f"`{name}`", metric._type, ", ".join(f"`{label}`" for label in metric._labelnames), metric._documentation)
        for metric in found
        for name in [metric._name + ("_total" if metric._type == "counter" else "")]
    ]
    lines = _head("Metrics", "src/ledgersafe/api/metrics.py")
    lines += ["`GET /metrics` of each API process, in the Prometheus format; it needs no key. Units are base units,"]
    lines += ["moments are timestamps. Each process counts for itself: sum over processes.", ""]
    return _text([*lines, *_table(("metric", "type", "labels", "what it counts"), rows)])


def event_types_page() -> str:
    """Every event type with its fields; the fields that all have stand once."""
    common = {field.name for field in msgspec.structs.fields(Envelope)}
    lines = _head("Event types", "src/ledgersafe/contracts/events")
    lines += ["Other fields than these are allowed and kept. A field that is neither required nor has a default may be"]
    lines += ["`null`; to the fingerprint that is another payload than one without the field.", ""]
    lines += ["- *text*: 1 to 255 characters, none of them a control character; *long text*: up to 4,000."]
    lines += ['- *amount*: a decimal string (`"12.50"`), or a JSON number that is exact; up to 15 digits before the']
    lines += ["  point and 6 after it.", "- *instant*: ISO 8601 with an offset.", ""]
    lines += ["## Envelope", "", "The fields that every event has.", "", *_fields(Envelope), ""]
    for contract in sorted(event_types().values(), key=lambda contract: contract.name):
        lines += [*_event_type(contract, common), ""]
    for shape in (Line, Tender):
        lines += [f"## {shape.__name__}", "", _first_line(shape), "", *_fields(shape), ""]
    return _text(lines)


def _event_type(contract: EventType, common: set[str]) -> list[str]:
    lines = [f"## {contract.name}", "", f"{contract.summary} Schema version {contract.schema_version}."]
    lines += ["Besides the envelope:", "", *_fields(contract.shape, common), "", "Checked as well:", ""]
    return [*lines, *(f"- {_first_line(check)}" for check in contract.checks)]


def _fields(shape: type[msgspec.Struct], without: Iterable[str] = ()) -> list[str]:
    rows = [
        (f"`{field.encode_name}`", _field_type(field.type), "yes" if field.required else "", _field_default(field))
        for field in msgspec.structs.fields(shape)
        if field.name not in without
    ]
    return _table(("field", "type", "required", "default"), rows)


def _field_type(shape: Any) -> str:
    known = {
        Name: "text",
        Instant: "instant",
        Amount: "amount",
        Text: "long text",
        ShortText: "text, may be empty",
        bool: "true or false",
    }
    known |= {int: "integer", date: "date", Any: "anything", Line: "[Line](#line)", Tender: "[Tender](#tender)"}
    if shape in known:
        return known[shape]
    arguments = get_args(shape)
    if get_origin(shape) is Annotated:
        return _field_type(arguments[0]) + _limits(arguments[1])
    if get_origin(shape) is list:
        return f"list of {_field_type(arguments[0])}"
    if get_origin(shape) is dict:
        return "object"
    (present,) = (argument for argument in arguments if argument is not type(None))
    return _field_type(present)


def _limits(meta: msgspec.Meta) -> str:
    low = meta.ge if meta.ge is not None else meta.min_length
    high = meta.le if meta.le is not None else meta.max_length
    return f", {low:,} to {high:,}" if high is not None else f", at least {low:,}"


def _field_default(field: Any) -> str:
    return "" if field.required or field.default in (None, msgspec.NODEFAULT) else f"`{json.dumps(field.default)}`"


def cli_page() -> str:
    """Every command, its arguments and options, from typer."""
    root = typer.main.get_command(cli)
    lines = _head("Commands", "src/ledgersafe/cli")
    lines += ["Every command takes `--help`. With `--json`, standard output is exactly one JSON value.", ""]
    lines += ["A command exits with 0 if all went well, 1 if not, 2 if it was called wrongly, 130 on Ctrl-C.", ""]
    for name, command in commands(root, "ledgersafe"):
        lines += [f"## {name}", "", inspect.cleandoc(command.help or ""), ""]
        if not hasattr(command, "commands"):
            rows = [_parameter(each) for each in command.params if each.name != "help"]
            lines += [*_table(("argument or option", "what it does", "default"), rows), ""] if rows else []
    return _text(lines)


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below one, itself included, with its full name."""
    yield name, command
    for part, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {part}")


def _parameter(each: Any) -> tuple[str, str, str]:
    help_text = (each.help or "") + (" Required." if each.required else "")
    if each.param_type_name == "argument":
        return f"`{each.metavar or each.name.upper()}`", help_text, ""
    names = ", ".join(f"`{option}`" for option in (*each.opts, *each.secondary_opts))
    if isinstance(each.show_default, str):
        return names, help_text, each.show_default
    is_shown = each.default is not None and not callable(each.default) and (each.secondary_opts or not each.is_flag)
    default = f"`{_default_text(each)}`" if is_shown else ""
    return names, help_text, default


def _default_text(each: Any) -> str:
    if each.secondary_opts:
        return (each.opts if each.default else each.secondary_opts)[0]
    return str(getattr(each.default, "value", each.default))


def openapi() -> str:
    """The document that a running API gives at /openapi.json."""
    runtime = Runtime(Settings(), Database("postgresql://nowhere.invalid/none", size=2), SystemClock())
    try:
        return json.dumps(asyncio.run(_fetch(make_app(runtime))), indent=2, ensure_ascii=False) + "\n"
    finally:
        runtime.close()


async def _fetch(app: Any) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://in-memory") as client:
        return (await client.get("/openapi.json")).raise_for_status().json()


_TABLES = """
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
       obj_description(c.oid, 'pg_class') AS comment, pg_get_partkeydef(c.oid) AS partitioned,
       array(SELECT p.privilege_type FROM aclexplode(c.relacl) p JOIN pg_roles r ON r.oid = p.grantee
             WHERE r.rolname = 'ledgersafe_app' ORDER BY 1) AS rights
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname
"""
_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
       pg_get_expr(d.adbin, d.adrelid) AS default, col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_CONSTRAINTS = """
SELECT contype AS kind, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE conrelid = %s AND contype IN ('p', 'u', 'f', 'c') ORDER BY strpos('pufc', contype::text), conname
"""
_INDEXES = """
SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index WHERE indrelid = %s AND NOT indisprimary ORDER BY 1
"""


def data_model(owner_url: str) -> str:
    """Every table and view of a migrated database, from its catalogue."""
    lines = _head("Data model", "src/ledgersafe/db/migrations")
    lines += ["Read from the catalogue of a migrated database. `rights` are those of the application's role,"]
    lines += ["`ledgersafe_app`; what is not granted cannot be done.", ""]
    with psycopg.connect(owner_url, row_factory=psycopg.rows.dict_row) as connection:
        schema = ""
        for table in connection.execute(_TABLES).fetchall():
            if table["schema"] != schema:
                schema = table["schema"]
                lines += [f"## Schema {schema}", ""]
            lines += [*_relation(connection, table), ""]
    return _text(lines)


def _relation(connection: psycopg.Connection[dict[str, Any]], table: dict[str, Any]) -> list[str]:
    oid = [table["oid"]]
    lines = [f"### {table['schema']}.{table['name']}{' (view)' if table['kind'] == 'v' else ''}", ""]
    lines += [table["comment"], ""] if table["comment"] else []
    rows = [
        (f"`{row['name']}`", row["type"], "yes" if row["required"] else "", _code(row["default"]), row["comment"])
        for row in connection.execute(_COLUMNS, oid)
    ]
    lines += [*_table(("column", "type", "not null", "default", "meaning"), rows), ""]
    lines += [f"- {_code(row['definition'])}" for row in connection.execute(_CONSTRAINTS, oid)]
    lines += [f"- {_code(row['definition'])}" for row in connection.execute(_INDEXES, oid)]
    if table["partitioned"]:
        lines.append(f"- Partitioned by {_code(table['partitioned'])}: one partition a month, and a default one.")
    return [*lines, f"- rights: {', '.join(table['rights']) or 'none'}"]


def readme(current: str) -> str:
    """The README with the output of the demo put in between its two marks, headings one level deeper."""
    before, begin, rest = current.partition(DEMO_BEGIN)
    _, end, after = rest.partition(DEMO_END)
    if not begin or not end:
        raise ValueError("README.md has lost the marks around the output of the demo")
    _, _, shown = DEMO.read_text(encoding="utf-8").partition("\n")  # without its own title
    return f"{before}{begin}\n\n{_deeper(shown).strip()}\n\n{end}{after}"


def _deeper(text: str) -> str:
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines())


def _head(title: str, source: str) -> list[str]:
    return [f"# {title}", "", f"*Generated from `{source}`. `make docs` writes it anew.*", ""]


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return [*lines, *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows)]


def _cell(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split()).replace("|", "\\|")
    return text if "`" in text else text.replace("<", "&lt;")


def _code(value: str | None) -> str:
    return "" if value is None else f"`{' '.join(value.split())}`"


def _first_line(documented: Any) -> str:
    return inspect.cleandoc(documented.__doc__ or "").splitlines()[0]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).strip() + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/reason-codes.md": reason_codes,
    "docs/settings.md": settings,
    "docs/metrics.md": metrics_page,
    "docs/event-types.md": event_types_page,
    "docs/cli.md": cli_page,
    "docs/openapi.json": openapi,
}
"""Every generated page that needs no database."""

DATA_MODEL = "docs/data-model.md"


def main() -> None:
    """Write every generated page."""
    pages = {name: make() for name, make in PAGES.items()}
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data")
        try:
            owner_url = server.start().owner
            migrate(owner_url, datetime.now(UTC))
            pages[DATA_MODEL] = data_model(owner_url)
        finally:
            server.stop()
    if DEMO.is_file():
        pages["README.md"] = readme((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    for name, text in pages.items():
        path = REPOSITORY / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")


if __name__ == "__main__":
    main()
