"""SQL as PostgreSQL's own parser sees it: every statement of a package, those within its functions included."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pglast
from pglast import ast, enums
from pglast.parser import ParseError

from .source import line_of, migrations, numbered, sql_files, statements, where


@dataclass(frozen=True, slots=True)
class Unit:
    """One parsed statement. `within`: the function whose body it is part of, "" at the top of a file.
    `immutable`: the functions that may be called where rows are written (given by the rules for Citus).
    """

    where: str
    line: int
    room: str
    name: str
    reason: str
    node: Any
    in_migration: bool = False
    within: str = ""
    security_definer: bool = False
    immutable: frozenset[str] = frozenset()

    def at(self, message: str) -> str:
        """A finding: path:line: message."""
        label = self.within or self.name
        return f"{self.where}:{self.line}: {f'{label}: ' if label else ''}{message}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a migration makes."""

    name: str
    immutable: bool
    stable: bool
    security_definer: bool
    unit: Unit


def walk(node: Any) -> Iterator[Any]:
    """Every node of a parse tree, the given one first."""
    if isinstance(node, tuple | list):
        for part in node:
            yield from walk(part)
    elif isinstance(node, ast.Node):
        yield node
        for attribute in node:
            yield from walk(getattr(node, attribute))


def found(node: Any, *kinds: type) -> Iterator[Any]:
    """The nodes of some kinds within a parse tree."""
    return (part for part in walk(node) if isinstance(part, kinds))


def table(relation: Any) -> str:
    """schema.name of a RangeVar; the bare name where it has no schema."""
    return f"{relation.schemaname}.{relation.relname}" if relation.schemaname else relation.relname


def words(name: Any) -> str:
    """A name of several parts: pg_catalog.now."""
    return ".".join(str(part.sval) for part in name)


def function_name(call: Any) -> str:
    """The name of a called function, in lower case and without pg_catalog."""
    return words(call.funcname).lower().removeprefix("pg_catalog.")


def column(node: Any) -> str | None:
    """The last part of a column's name; None for anything else, `*` included."""
    if isinstance(node, ast.ColumnRef) and isinstance(node.fields[-1], ast.String):
        return node.fields[-1].sval
    return None


def units(tree: Path) -> list[Unit]:
    """Every statement of a package: of its queries, its migrations and its functions. What cannot be parsed is skipped:
    `parse_faults` tells of it.
    """
    return list(_collect(tree)[0])


def parse_faults(tree: Path) -> list[str]:
    """What no rule can judge, because PostgreSQL's parser refuses it."""
    return list(_collect(tree)[1])


def functions(tree: Path) -> dict[str, Function]:
    """The functions that the migrations make, by schema.name."""
    made = (_function(unit) for unit in units(tree) if isinstance(unit.node, ast.CreateFunctionStmt))
    return {function.name: function for function in made}


def _collect(tree: Path) -> tuple[tuple[Unit, ...], tuple[str, ...]]:
    texts = tuple((str(path), path.read_text(encoding="utf-8")) for path in [*migrations(tree), *sql_files(tree)])
    return _collect_texts(tree, texts)


@cache
def _collect_texts(tree: Path, texts: tuple[tuple[str, str], ...]) -> tuple[tuple[Unit, ...], tuple[str, ...]]:
    """Cached by the texts, since every rule asks for the same ones."""
    known: list[Unit] = []
    faults: list[str] = []
    migrated = set(migrations(tree))
    for name, text in texts:
        path = Path(name)
        reader = _of_migration(tree, path, text) if path in migrated else _of_queries(tree, path)
        for item in reader:
            (faults if isinstance(item, str) else known).append(item)  # type: ignore[arg-type]
    return tuple(known), tuple(faults)


def _of_migration(tree: Path, path: Path, text: str) -> Iterator[Unit | str]:
    try:
        parsed = pglast.parse_sql(text)
    except ParseError as error:
        yield f"{where(tree, path)}:1: not PostgreSQL: {error.args[0]}; fix: correct it"
        return
    for raw in parsed:
        start = raw.stmt_location
        source = text[start : start + raw.stmt_len] if raw.stmt_len else text[start:]
        unit = Unit(where(tree, path), line_of(text, start), "db", "", "", raw.stmt, in_migration=True)
        yield from _with_body(unit, source)


def _of_queries(tree: Path, path: Path) -> Iterator[Unit | str]:
    room = path.relative_to(tree).parts[0]
    for statement in statements(tree, path):
        try:
            parsed = pglast.parse_sql(numbered(statement.sql))
        except ParseError as error:
            yield statement.at(f"not PostgreSQL: {error.args[0]}; fix: correct it")
            continue
        for raw in parsed:
            yield Unit(statement.where, statement.line, room, statement.name, statement.reason, raw.stmt)


def _with_body(unit: Unit, source: str) -> Iterator[Unit | str]:
    """A statement, and what the body of the function that it makes consists of."""
    yield unit
    if isinstance(unit.node, ast.CreateFunctionStmt):
        name, options = words(unit.node.funcname), _options(unit.node.options)
    elif isinstance(unit.node, ast.DoStmt):
        name, options = "DO", {"language": "plpgsql"} | _options(unit.node.args)
    else:
        return
    definer = bool(options.get("security"))
    try:
        bodies = list(_bodies(str(options.get("language", "sql")), options.get("as"), source))
    except ParseError as error:
        yield unit.at(f"the body of {name} cannot be read: {error.args[0]}; fix: write it so that pglast parses it")
        return
    for node in bodies:
        yield Unit(unit.where, unit.line, "db", "", "", node, True, name, definer)


def _bodies(language: str, body: Any, source: str) -> Iterator[Any]:
    if language == "sql" and isinstance(body, str):
        yield from (raw.stmt for raw in pglast.parse_sql(body))
    elif language == "plpgsql":
        for query in _plpgsql_statements(pglast.parse_plpgsql(source)):
            yield from (raw.stmt for raw in pglast.parse_sql(query))


def _plpgsql_statements(node: Any) -> Iterator[str]:
    """The whole statements (parse mode 0) within a plpgsql function, as text."""
    if isinstance(node, list):
        for part in node:
            yield from _plpgsql_statements(part)
    elif isinstance(node, dict):
        expression = node.get("PLpgSQL_expr")
        if expression is not None and expression.get("parseMode", 0) == 0:
            yield expression["query"]
        for part in node.values():
            yield from _plpgsql_statements(part)


def _options(options: Any) -> dict[str, Any]:
    """The options of CREATE FUNCTION or DO as plain values."""
    values: dict[str, Any] = {}
    for option in options or ():
        value = option.arg
        if isinstance(value, tuple):
            value = value[0]
        values[option.defname] = getattr(value, "sval", getattr(value, "boolval", value))
    return values


def _function(unit: Unit) -> Function:
    options = _options(unit.node.options)
    volatility = str(options.get("volatility", "volatile"))
    return Function(
        words(unit.node.funcname),
        volatility == "immutable",
        volatility == "stable",
        bool(options.get("security")),
        unit,
    )


def body_of(unit: Unit) -> str:
    """The text of the function or DO block that a statement makes; "" where it makes none."""
    if isinstance(unit.node, ast.CreateFunctionStmt):
        return str(_options(unit.node.options).get("as", ""))
    if isinstance(unit.node, ast.DoStmt):
        return str(_options(unit.node.args).get("as", ""))
    return ""


def writes(node: Any) -> Iterator[tuple[str, Any]]:
    """What a statement writes: (schema.table, the node that does it), its CTEs included."""
    for part in found(node, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt):
        yield table(part.relation), part
    for part in found(node, ast.CopyStmt):
        if part.is_from and part.relation is not None:
            yield table(part.relation), part
    for part in found(node, ast.TruncateStmt):
        for relation in part.relations:
            yield table(relation), part


def updates_on_conflict(node: Any) -> bool:
    """Whether it is an INSERT … ON CONFLICT DO UPDATE."""
    clause = getattr(node, "onConflictClause", None)
    return clause is not None and clause.action == enums.OnConflictAction.ONCONFLICT_UPDATE
