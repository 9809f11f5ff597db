"""What Citus asks of tables: the tenant in every key, foreign keys that stay on one shard, nothing that needs one node.

Each rule takes one statement and yields what is wrong with it.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from .sqltree import Unit, found, function_name, table, words

REFERENCE_SCHEMA = "tenants"
"""Its tables are reference tables: whole on every node, so they may have any key and may be referred to by any."""

LOCAL_TABLES: dict[str, str] = {
    "ops.migrations": "one row a migration, read by migrate alone; stays on the coordinator",
}
"""Bookkeeping that belongs to no tenant and is never distributed, each with its reason."""

_TENANT = "tenant_id"
_Type = enums.ConstrType
_SERIAL = {"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"}
_SEQUENCE_CALLS = {"nextval", "currval", "lastval", "setval"}
_NULLS_OR_DEFAULT = ("n", "d")


def is_distributed(name: str) -> bool:
    """Whether a table is cut into shards by tenant."""
    return name.split(".")[0] != REFERENCE_SCHEMA and name not in LOCAL_TABLES


def _constraints(unit: Unit) -> Iterator[tuple[str, Any, str | None]]:
    """Every constraint that a statement makes: (its table, it, the column that it stands at)."""
    if not isinstance(unit.node, ast.CreateStmt | ast.AlterTableStmt):
        return
    name = table(unit.node.relation)
    at_columns: dict[int, str] = {}
    for definition in found(unit.node, ast.ColumnDef):
        for constraint in definition.constraints or ():
            at_columns[id(constraint)] = definition.colname
            yield name, constraint, definition.colname
    for constraint in found(unit.node, ast.Constraint):
        if id(constraint) not in at_columns:
            yield name, constraint, None


def _names(parts: Any) -> list[str]:
    return [part.sval for part in parts or ()]


def keys_contain_the_tenant(unit: Unit) -> Iterator[str]:
    """A unique key is checked shard by shard, so it must name the shard."""
    for name, constraint, at_column in _constraints(unit):
        if not is_distributed(name):
            continue
        if constraint.contype in (_Type.CONSTR_PRIMARY, _Type.CONSTR_UNIQUE) and not constraint.indexname:
            if _TENANT not in ([at_column] if at_column else _names(constraint.keys)):
                yield f"a key of {name} without tenant_id; fix: put tenant_id first into it"
        elif constraint.contype == _Type.CONSTR_EXCLUSION and not any(
            element.name == _TENANT and words(operator) == "=" for element, operator in constraint.exclusions
        ):
            yield f"an exclusion of {name} without tenant_id WITH =; fix: add it"
    if isinstance(unit.node, ast.IndexStmt) and unit.node.unique:
        name = table(unit.node.relation)
        if is_distributed(name) and _TENANT not in [part.name for part in unit.node.indexParams]:
            yield f"a unique index on {name} without the plain column tenant_id; fix: put tenant_id first into it"


def tables_have_the_tenant(unit: Unit) -> Iterator[str]:
    """Tables are colocated only if the column they are cut by is of one exact type and collation."""
    node = unit.node
    if not isinstance(node, ast.CreateStmt) or node.partbound is not None or not is_distributed(table(node.relation)):
        return
    name = table(node.relation)
    columns = {part.colname: part for part in node.tableElts or () if isinstance(part, ast.ColumnDef)}
    tenant = columns.get(_TENANT)
    if node.relation.relpersistence == "t":
        yield f"{name} is temporary; fix: use a CTE or arrays"
    elif tenant is None:
        yield f"{name} has no tenant_id; fix: tenant_id text COLLATE \"C\" NOT NULL, '_system' for rows of no tenant"
    elif (
        words(tenant.typeName.names) != "text" or tenant.collClause is None or words(tenant.collClause.collname) != "C"
    ):
        yield f'tenant_id of {name} is not of the one type that all tables share; fix: tenant_id text COLLATE "C"'


def foreign_keys_stay_on_one_shard(unit: Unit) -> Iterator[str]:
    """A row can be held to another only where both lie on one shard, or the other lies on all."""
    for name, constraint, at_column in _constraints(unit):
        if constraint.contype != _Type.CONSTR_FOREIGN:
            continue
        target = table(constraint.pktable)
        if _nulls_or_defaults(constraint):
            yield f"{name} refers to {target} with SET NULL or SET DEFAULT; fix: restrict, or cascade"
        if target.split(".")[0] == REFERENCE_SCHEMA:
            continue
        ours = [at_column] if at_column else _names(constraint.fk_attrs)
        theirs = _names(constraint.pk_attrs) or [_TENANT]
        if not is_distributed(name):
            yield f"{name} is not distributed but refers to {target}; fix: turn the reference round, or drop it"
        elif not is_distributed(target) or ours[0] != _TENANT or theirs[0] != _TENANT or len(ours) < 2:
            yield f"{name} refers to {target} without tenant_id; fix: put tenant_id first on both sides of the key"


def _nulls_or_defaults(constraint: Any) -> bool:
    return constraint.fk_del_action in _NULLS_OR_DEFAULT or constraint.fk_upd_action in _NULLS_OR_DEFAULT


def no_triggers(unit: Unit) -> Iterator[str]:
    """Citus runs no trigger on a distributed table; a rule or an event trigger is no better."""
    if isinstance(unit.node, ast.CreateTrigStmt | ast.CreateEventTrigStmt | ast.RuleStmt):
        yield "a trigger or a rule; fix: a GRANT that is not given, or a CHECK with an immutable function"


def no_sequences(unit: Unit) -> Iterator[str]:
    """Sequences count apart on every node: their values are no order."""
    if isinstance(unit.node, ast.CreateSeqStmt):
        yield "a sequence; fix: kernel.ids.new_id() in the application"
    for constraint in found(unit.node, ast.Constraint):
        if constraint.contype == _Type.CONSTR_IDENTITY:
            yield "an identity column; fix: kernel.ids.new_id() in the application"
    for definition in found(unit.node, ast.ColumnDef):
        if definition.typeName is not None and words(definition.typeName.names) in _SERIAL:
            yield f"{definition.colname} is serial; fix: kernel.ids.new_id() in the application"
    for call in found(unit.node, ast.FuncCall):
        if function_name(call) in _SEQUENCE_CALLS:
            yield f"{function_name(call)}(); fix: kernel.ids.new_id() in the application"


def partitions_are_one_level_by_range(unit: Unit) -> Iterator[str]:
    """Citus takes range partitions, not partitions of partitions; a key is unique only where nothing is parted."""
    node = unit.node
    if not isinstance(node, ast.CreateStmt) or node.partspec is None:
        return
    name = table(node.relation)
    if node.partbound is not None:
        yield f"{name} is a partition with partitions of its own; fix: one level"
    if node.partspec.strategy != enums.PartitionStrategy.PARTITION_STRATEGY_RANGE:
        yield f"{name} is not partitioned by range; fix: PARTITION BY RANGE (a time, or a UUIDv7)"
    if name.startswith("gate."):
        yield f"{name} remembers keys and is partitioned; fix: leave it whole, a key is remembered forever"
