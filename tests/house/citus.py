"""The SQL runs unchanged on plain Postgres and on Citus: what was measured there, as rules over the parsed statements.

Each rule takes one statement (a query, a migration's, or one within a function) and yields what is wrong with it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pglast import ast, enums

from . import citus_tables as tables
from .sqltree import (
    Unit,
    column,
    found,
    function_name,
    functions,
    parse_faults,
    table,
    units,
    updates_on_conflict,
    walk,
    words,
)

Rule = Callable[[Unit], Iterator[str]]

IMMUTABLE = frozenset(
    {
        *("abs", "array_append", "array_cat", "array_length", "array_position", "array_prepend", "array_remove"),
        *("array_to_string", "btrim", "cardinality", "ceil", "coalesce", "convert_from", "convert_to", "decode"),
        *("encode", "floor", "jsonb_array_length", "jsonb_extract_path", "jsonb_set", "jsonb_strip_nulls", "left"),
        *("length", "lower", "ltrim", "make_date", "make_interval", "md5", "octet_length", "replace", "right", "round"),
        *("rtrim", "sha256", "sign", "split_part", "starts_with", "substr", "substring", "trim", "trunc", "upper"),
    }
)
"""Built-in functions that PostgreSQL declares immutable. One that is missing here: check pg_proc.provolatile = 'i'."""

_SETS_ITS_ROWS = {"unnest", "jsonb_to_recordset", "json_to_recordset", "generate_series", "jsonb_array_elements"}
_STABLE_FROM_COLUMN = re.compile(r"^(?:pg_catalog\.)?(?:date|time|timetz|timestamp|timestamptz)$")
_COMPARISONS = {">": False, ">=": False, "<": True, "<=": True}
_CURSOR_COLUMN = re.compile(r"received_at|\w+_id")
_PAGE = "keyset page"


def _not_immutable(node: Any, immutable: frozenset[str], own_rows: bool = False) -> Iterator[str]:
    """What a node calls that the coordinator would have to evaluate for every row."""
    allowed = immutable | (_SETS_ITS_ROWS if own_rows else set())
    for call in found(node, ast.FuncCall):
        if function_name(call) not in allowed and not _aggregates(call):
            yield f"{function_name(call)}()"
    for value in found(node, ast.SQLValueFunction):
        yield value.op.name.removeprefix("SVFOP_").lower()
    for cast in found(node, ast.TypeCast):
        if column(cast.arg) is not None and _STABLE_FROM_COLUMN.match(words(cast.typeName.names)):
            yield f"{column(cast.arg)}::{words(cast.typeName.names).removeprefix('pg_catalog.')}"


def _aggregates(call: Any) -> bool:
    """Whether it is an aggregate: immutable as such, and at home in subqueries only."""
    return call.agg_star or function_name(call) in {"count", "sum", "min", "max", "array_agg", "bool_and", "bool_or"}


def written_values_are_passed_in(unit: Unit) -> Iterator[str]:
    """Citus refuses what is not immutable in DO UPDATE SET, in UPDATE … SET and in WHERE of UPDATE and DELETE."""
    fix = "fix: pass the value as a parameter, or use excluded.x"
    for node in found(unit.node, ast.InsertStmt):
        if updates_on_conflict(node):
            clause = node.onConflictClause
            for culprit in _not_immutable((clause.targetList, clause.whereClause), unit.immutable):
                yield f"{culprit} in ON CONFLICT DO UPDATE is not known to be immutable; {fix}"
    for node in found(unit.node, ast.UpdateStmt):
        for culprit in _not_immutable((node.targetList, node.whereClause), unit.immutable, own_rows=True):
            yield f"{culprit} in UPDATE is not known to be immutable; {fix}"
    for node in found(unit.node, ast.DeleteStmt):
        for culprit in _not_immutable(node.whereClause, unit.immutable, own_rows=True):
            yield f"{culprit} in DELETE is not known to be immutable; {fix}"
    for node in found(unit.node, ast.MergeWhenClause):
        for culprit in _not_immutable(node.targetList, unit.immutable):
            yield f"{culprit} in MERGE is not known to be immutable; {fix}"


def returning_is_plain(unit: Unit) -> Iterator[str]:
    """RETURNING is evaluated on the shards: columns and immutable expressions only."""
    for node in found(unit.node, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt):
        clause = getattr(node, "returningClause", None)
        for culprit in _not_immutable(getattr(clause, "exprs", None), unit.immutable):
            yield f"{culprit} in RETURNING is not known to be immutable; fix: return plain columns"
        if any(found(getattr(clause, "exprs", None), ast.SubLink)):
            yield "a subquery in RETURNING; fix: return plain columns, ask in a statement of its own"


def locks_stay_within_a_tenant(unit: Unit) -> Iterator[str]:
    """A row lock is taken on one shard: the statement must say which."""
    for node in found(unit.node, ast.SelectStmt):
        relations = [table(r) for r in found(node.fromClause, ast.RangeVar)]
        if (
            node.lockingClause
            and any(map(tables.is_distributed, relations))
            and not _names_its_tenant(node.whereClause)
        ):
            yield "FOR UPDATE or SHARE over several tenants; fix: add tenant_id = %(tenant_id)s"


def _names_its_tenant(condition: Any) -> bool:
    """Whether `tenant_id = a value` is one of the conditions that all must hold."""
    if isinstance(condition, ast.BoolExpr) and condition.boolop == enums.BoolExprType.AND_EXPR:
        return any(map(_names_its_tenant, condition.args))
    if not isinstance(condition, ast.A_Expr) or condition.kind != enums.A_Expr_Kind.AEXPR_OP:
        return False
    if words(condition.name) != "=":
        return False
    sides = (condition.lexpr, condition.rexpr)
    return any(column(a) == "tenant_id" and _is_value(b) for a, b in (sides, sides[::-1]))


def _is_value(node: Any) -> bool:
    """A parameter, a constant, or (within a function) one of its variables, which has no table's name before it."""
    if isinstance(node, ast.TypeCast):
        return _is_value(node.arg)
    if isinstance(node, ast.ColumnRef):
        return len(node.fields) == 1 and column(node) != "tenant_id"
    return isinstance(node, ast.ParamRef | ast.A_Const)


def modified_tables_are_not_read_again(unit: Unit) -> Iterator[str]:
    """Within one statement, a CTE that modifies a table and another part that reads it see different states."""
    clause = getattr(unit.node, "withClause", None)
    for cte in clause.ctes if clause is not None else ():
        if not isinstance(cte.ctequery, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt):
            continue
        target = cte.ctequery.relation
        others = [table(r) for r in found(unit.node, ast.RangeVar) if r is not target]
        if table(target) in others:
            yield f"{table(target)} is modified by {cte.ctename} and named again; fix: two statements, or use RETURNING"


def advisory_locks_stand_alone(unit: Unit) -> Iterator[str]:
    """They are held on one node: taken in a bare SELECT they are the coordinator's, elsewhere a shard's."""
    for call in found(unit.node, ast.FuncCall):
        if re.match(r"pg_(?:try_)?advisory_", function_name(call)) and not _is_bare_select(unit.node, call):
            yield f"{function_name(call)} in a larger statement; fix: take it in a SELECT of its own, without FROM"


def _is_bare_select(node: Any, call: Any) -> bool:
    return (
        isinstance(node, ast.SelectStmt)
        and not (node.fromClause or node.withClause or node.whereClause)
        and len(node.targetList or ()) == 1
        and any(part is call for part in walk(node.targetList))
        and not any(found(node, ast.RangeVar))
    )


def work_is_not_claimed_by_cursor(unit: Unit) -> Iterator[str]:
    """Rows commit out of order: whoever goes on from the last one seen skips those that commit later."""
    if _PAGE in unit.reason:
        return
    for node in found(unit.node, ast.SelectStmt):
        if node.limitCount is None or not node.sortClause:
            continue
        order = {column(part.node) for part in node.sortClause}
        for name in sorted(order & set(_after_a_value(node.whereClause)) - {None}, key=str):
            yield f"a cursor over {name}; fix: claim by state or by batch (a list for people: reason 'keyset page')"


def _after_a_value(condition: Any) -> Iterator[str]:
    """The id and arrival columns that a condition asks to be greater than a value."""
    for node in found(condition, ast.A_Expr):
        if node.kind != enums.A_Expr_Kind.AEXPR_OP or words(node.name) not in _COMPARISONS:
            continue
        turned = _COMPARISONS[words(node.name)]
        greater, than = (node.rexpr, node.lexpr) if turned else (node.lexpr, node.rexpr)
        for left, right in _pairs(greater, than):
            name = column(left)
            if name is not None and _CURSOR_COLUMN.fullmatch(name) and _is_value(right):
                yield name


def _pairs(left: Any, right: Any) -> list[tuple[Any, Any]]:
    """The columns of a row comparison, side by side."""
    if isinstance(left, ast.RowExpr) and isinstance(right, ast.RowExpr):
        return list(zip(left.args, right.args, strict=False))
    return [(left, right)]


RULES: tuple[Rule, ...] = (
    tables.keys_contain_the_tenant,
    tables.tables_have_the_tenant,
    tables.foreign_keys_stay_on_one_shard,
    tables.no_triggers,
    tables.no_sequences,
    tables.partitions_are_one_level_by_range,
    written_values_are_passed_in,
    returning_is_plain,
    locks_stay_within_a_tenant,
    modified_tables_are_not_read_again,
    advisory_locks_stand_alone,
    work_is_not_claimed_by_cursor,
)


def check(tree: Path, rules: tuple[Rule, ...] = RULES) -> list[str]:
    """What of a package's SQL would not run on Citus."""
    declared = {name for name, function in functions(tree).items() if function.immutable}
    result = parse_faults(tree)
    for unit in (replace(found_unit, immutable=IMMUTABLE | declared) for found_unit in units(tree)):
        result += [unit.at(message) for rule in rules for message in rule(unit)]
    return result
