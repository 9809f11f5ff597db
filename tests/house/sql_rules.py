"""Rules over SQL that hold on any Postgres: who writes what, what is never changed, and whose clock it is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pglast import ast, enums

from .source import REPOSITORY, STAGES, root_of
from .sqltree import (
    Function,
    Unit,
    body_of,
    found,
    function_name,
    functions,
    table,
    units,
    updates_on_conflict,
    words,
    writes,
)

VERB_FUNCTIONS: dict[str, str] = {}
"""Functions over several stages, each owned by a verb, with the ADR that shows the measurement:
{"ledger.post_batch": "docs/adr/0012-post-in-one-function.md"}."""

APPEND_ONLY = (
    "bronze.events_raw",
    "bronze.rejected",
    "bronze.batches",
    "silver.transactions",
    "silver.line_items",
    "silver.tenders",
    "silver.references",
    "ledger.entries",
    "audit.audit_log",
    "audit.batches",
    "audit.seals",
    "audit.sealed_batches",
    "tenants.past_currencies",
)
_APPEND_ONLY = re.compile(rf"(?:{'|'.join(map(re.escape, APPEND_ONLY))})(?:_(?:p?\d\w*|default))?")

OWNER = "ledgersafe_owner"
"""The one role that may hold every right: it runs migrations, never a request."""

_ROOMS_OF_OTHERS = {"gold": ("gold", "platinum"), "db": ("ops",), "pos": ("pos",)}
_CHANGING_RIGHTS = {"update", "delete", "truncate"}
_CLOCKS = {"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday"}
_CLOCK_IS_ALLOWED = re.compile(r"\b(?:db_time|lease[sd]?)\b")
_GRANT_IN_TEXT = re.compile(r"\bGRANT\s+(?P<rights>[\w\s,()]+?)\s+ON\s+(?P<target>[^;']*)", re.IGNORECASE)


def stages_write_their_own_schema(tree: Path) -> list[str]:
    """Who may have changed a row is told by its schema's name."""
    known = functions(tree)
    result: list[str] = []
    for unit in units(tree):
        if unit.in_migration:
            continue
        own = _own_schemas(unit.room)
        result += [
            unit.at(f"{unit.room} writes {target}; fix: call that stage's store from the verb in pipeline")
            for target, _ in writes(unit.node)
            if target.split(".")[0] not in own or "." not in target
        ]
        result += [
            unit.at(
                f"{unit.room} calls {name}, which may write; fix: call that stage's store from the verb in pipeline"
            )
            for name in map(function_name, found(unit.node, ast.FuncCall))
            if _is_of_another_stage(name, own) and name not in VERB_FUNCTIONS and not _only_reads(known.get(name))
        ]
    return [*result, *_verb_functions(tree, known)]


def _own_schemas(room: str) -> tuple[str, ...]:
    return _ROOMS_OF_OTHERS.get(room, (room,) if room in STAGES else ())


def _is_of_another_stage(name: str, own: tuple[str, ...]) -> bool:
    schema = name.split(".")[0] if "." in name else ""
    return schema in (*STAGES, "platinum") and schema not in own


def _only_reads(function: Function | None) -> bool:
    return function is not None and (function.immutable or function.stable)


def _verb_functions(tree: Path, known: dict[str, Function]) -> Iterator[str]:
    """A function that writes to a schema other than its own is a verb's, and is listed with its ADR."""
    for unit in units(tree):
        schema = unit.within.split(".")[0]
        foreign = sorted({target for target, _ in writes(unit.node) if target.split(".")[0] != schema})
        if unit.within and unit.within != "DO" and foreign and not _may_cross(unit):
            message = (
                f"writes {', '.join(foreign)}; fix: keep to schema {schema}, or list it in VERB_FUNCTIONS with an ADR"
            )
            yield unit.at(message)
    for name, adr in VERB_FUNCTIONS.items():
        if tree == REPOSITORY / "src" / "ledgersafe" and name not in known:
            yield f"tests/house/sql_rules.py:1: {name} of VERB_FUNCTIONS is in no migration; fix: take it off the list"
        if not (root_of(tree) / adr).is_file():
            yield f"tests/house/sql_rules.py:1: {adr} of {name} does not exist; fix: write the ADR with its measurement"


def _may_cross(unit: Unit) -> bool:
    return unit.within in VERB_FUNCTIONS or _redacts(unit)


def _redacts(unit: Unit) -> bool:
    """The one exception: a SECURITY DEFINER function that redacts a body and its copies, with an audit row."""
    return unit.security_definer and "redact" in unit.within


def insert_only_stays_insert_only(tree: Path) -> list[str]:
    """What an auditor reads was never changed: no statement does, and no right allows it."""
    result: list[str] = []
    for unit in units(tree):
        if not _redacts(unit):
            result += [
                unit.at(f"changes {target}, which is insert-only; fix: insert a new row that refers to the old one")
                for target, node in writes(unit.node)
                if _APPEND_ONLY.fullmatch(target) and _changes(node)
            ]
        if unit.in_migration:
            result += _rights(unit)
            result += _rights_in_text(unit)
    return result


def _changes(node: Any) -> bool:
    return not isinstance(node, ast.InsertStmt | ast.CopyStmt) or updates_on_conflict(node)


def _rights(unit: Unit) -> Iterator[str]:
    """Rights given by GRANT or by ALTER DEFAULT PRIVILEGES."""
    node = unit.node
    if isinstance(node, ast.AlterDefaultPrivilegesStmt):
        action = node.action
        if action.is_grant and action.objtype == enums.ObjectType.OBJECT_TABLE and _changing(action):
            yield unit.at("default privileges to change rows; fix: grant table by table, where the table is made")
        return
    if not (isinstance(node, ast.GrantStmt) and node.is_grant and node.objtype == enums.ObjectType.OBJECT_TABLE):
        return
    if node.targtype == enums.GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA:
        yield unit.at(
            "GRANT ON ALL TABLES reaches insert-only ones; fix: grant table by table, where the table is made"
        )
        return
    for name in map(table, node.objects):
        if _APPEND_ONLY.fullmatch(name) and _changing(node) and not _only_to_owner(node):
            yield unit.at(f"a right to change {name}, which is insert-only; fix: GRANT SELECT, INSERT only")


def _changing(grant: Any) -> bool:
    """Whether a GRANT holds a right to change rows; without a list of rights it holds all."""
    if not grant.privileges:
        return True
    return any((right.priv_name or "all").lower() in _CHANGING_RIGHTS | {"all"} for right in grant.privileges)


def _only_to_owner(grant: Any) -> bool:
    return all(role.rolename == OWNER for role in grant.grantees)


_CURATED = "files.%I"
"""Tables of datasets, whose name begins with curated_; none of schema files that is insert-only does."""


def _rights_in_text(unit: Unit) -> Iterator[str]:
    """GRANTs that a function puts together: the parser sees only a string."""
    for match in _GRANT_IN_TEXT.finditer(body_of(unit)):
        rights, target = match["rights"].lower(), match["target"]
        changing = re.search(r"\b(?:update|delete|truncate|all)\b", rights) is not None
        if re.match(r"all\s+tables\b", target, re.IGNORECASE):
            yield unit.at("GRANT ON ALL TABLES reaches insert-only ones; fix: grant table by table")
        elif changing and not target.strip().startswith(_CURATED) and ("%" in target or _APPEND_ONLY.search(target)):
            yield unit.at(
                f"GRANT {match['rights']} ON {target.strip()}: may reach insert-only tables; fix: name the table"
            )


def queries_take_the_time_as_a_value(tree: Path) -> list[str]:
    """A replay passes its own time; the database's clock serves leases and `db_time` only, and their reason says so."""
    return [
        unit.at(f"{clock} in a query; fix: pass the time as a parameter (or give db_time or a lease as the reason)")
        for unit in units(tree)
        if not unit.in_migration and not _CLOCK_IS_ALLOWED.search(unit.reason)
        for clock in clocks(unit.node)
    ]


def clocks(node: Any) -> Iterator[str]:
    """Every look at the database's clock: now(), current_date, 'now'::timestamptz."""
    for call in found(node, ast.FuncCall):
        if function_name(call) in _CLOCKS:
            yield f"{function_name(call)}()"
    for value in found(node, ast.SQLValueFunction):
        name = value.op.name.removeprefix("SVFOP_").lower()
        if name.startswith(("current_date", "current_time", "localtime")):
            yield name
    for cast in found(node, ast.TypeCast):
        text = getattr(getattr(cast.arg, "val", None), "sval", None)
        if text in ("now", "today", "tomorrow", "yesterday") and re.search("time|date", words(cast.typeName.names)):
            yield f"'{text}'"
