"""Curated tables: one a dataset, shared by its tenants. Their names and columns come from contracts.

The only place where SQL is put together: names by psycopg's composition, never by text; values go as parameters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.sql import SQL, Composable, Composed, Identifier

from ledgersafe.contracts.datasets.model import Dataset
from ledgersafe.contracts.datasets.names import sql_name
from ledgersafe.db.database import Rows, Tx

if TYPE_CHECKING:
    import polars as pl

_STAGING = Identifier("_staging")
_HELD = Identifier("_held")
_LINEAGE = ("_ingestion_id", "_loaded_at", "_source_sha256", "_row_number")


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose rows they are, and where they come from.

    `ingestion_id`: of the delivery that brought the file first, whichever replay loads it. It tells rows apart where a
    contract has no key, and which of two files is older: deliveries have ids in the order in which they were received.
    """

    tenant_id: str
    ingestion_id: UUID
    sha256: bytes
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class Repeated:
    """A row whose key, or whose value of a unique column, another row of the file has too."""

    row_number: int
    row_values: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row of a curated table. Numbers with decimals, days and instants are text, so that they stay exact."""

    row: dict[str, Any]


def table_of(dataset: Dataset) -> tuple[list[str], list[str], list[str]]:
    """The table's columns, their types, and which of them are its key."""
    columns = [sql_name(column.name) for column in dataset.columns]
    return columns, [column.type.in_postgres for column in dataset.columns], list(map(sql_name, dataset.primary_key))


def stage(tx: Tx, dataset: Dataset) -> None:
    """Make room for the rows of one file, and for the keys of its bad ones; it goes with the transaction."""
    columns, types, keys = table_of(dataset)
    typed = {
        name: SQL("{} {}").format(Identifier(name), SQL(kind))  # pyright: ignore[reportArgumentType] - one of our own types
        for name, kind in zip(columns, types, strict=True)
    }
    made = SQL("CREATE TEMP TABLE {} (_row_number bigint, {}) ON COMMIT DROP")
    tx.execute(_text(made.format(_STAGING, _listed(typed.values()))))
    if keys:
        tx.execute(_text(made.format(_HELD, _listed(typed[name] for name in keys))))


def copy(tx: Tx, dataset: Dataset, good: "pl.DataFrame") -> None:
    """Put good rows (ROW and the contract's columns, in the spelling of Postgres) into the room."""
    columns, _, _ = table_of(dataset)
    _copy(tx, _STAGING, columns, good)


def hold_keys(tx: Tx, dataset: Dataset, bad: "pl.DataFrame") -> None:
    """Remember the keys of bad rows. `bad`: ROW and the columns of the key, in the spelling of Postgres."""
    _copy(tx, _HELD, list(map(sql_name, dataset.primary_key)), bad)


def _copy(tx: Tx, into: Identifier, columns: Sequence[str], rows: "pl.DataFrame") -> None:
    lines = BytesIO()
    rows.write_csv(lines, include_header=False)
    names = _names(["_row_number", *columns])
    tx.copy(_text(SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(into, names)), lines.getvalue())


def take_repeated(tx: Tx, dataset: Dataset, names: Sequence[str]) -> Rows[Repeated]:
    """Take out of the room every row whose values of these columns (of the contract) another row has, too."""
    same = _names(map(sql_name, names))
    twice = SQL("SELECT {same} FROM {staging} WHERE ({same}) IS NOT NULL GROUP BY {same} HAVING count(*) > 1")
    return _taken(tx, dataset, names, twice.format(same=same, staging=_STAGING))


def take_held(tx: Tx, dataset: Dataset) -> Rows[Repeated]:
    """Take out of the room every row whose key one of the bad rows has, too."""
    held = SQL("SELECT {} FROM {}").format(_names(map(sql_name, dataset.primary_key)), _HELD)
    return _taken(tx, dataset, dataset.primary_key, held)


def _taken(tx: Tx, dataset: Dataset, names: Sequence[str], which: Composed) -> Rows[Repeated]:
    """`which`: a query of the values of these columns (of the contract) whose rows are taken."""
    same = [sql_name(name) for name in names]
    said = _listed(
        SQL("g.{}::text AS {}").format(Identifier(sql_name(column.name)), Identifier(column.name))
        for column in dataset.columns
    )
    statement = SQL(
        "WITH which AS ({which}), "
        "gone AS (DELETE FROM {staging} s USING which t WHERE ({of_s}) = ({of_t}) RETURNING s.*) "
        "SELECT g._row_number AS row_number, (SELECT row_to_json(v) FROM (SELECT {said}) v) AS row_values FROM gone g"
    ).format(which=which, staging=_STAGING, of_s=_names(same, "s"), of_t=_names(same, "t"), said=said)
    return tx.query(Repeated, _text(statement))


def merge(tx: Tx, dataset: Dataset, origin: Origin) -> Rows[int]:
    """Put the room's rows into the table: new ones, and what differs of those there and is not of a later file.

    Returns how many those are; without a key, a row is there already if a delivery of the same file put it there.
    Raises StatementRefused (21000) where two rows have the same key.
    """
    columns, _, keys = table_of(dataset)
    rest = [name for name in columns if name not in keys]
    target = _table(dataset)
    statement = SQL(
        "INSERT INTO {target} AS c (tenant_id, {columns}, {lineage}) "
        "SELECT %(tenant_id)s, {columns}, %(ingestion_id)s::uuid, %(loaded_at)s::timestamptz, %(sha256)s::bytea, "
        "_row_number FROM {staging}{conflict}"
    ).format(
        target=target,
        columns=_names(columns),
        lineage=_names(_LINEAGE),
        staging=_STAGING,
        conflict=_on_conflict(keys or ("_ingestion_id", "_row_number"), rest),
    )
    merged = SQL("WITH merged AS ({} RETURNING 1) SELECT count(*) FROM merged").format(statement)
    return tx.scalars(
        int,
        _text(merged),
        {
            "tenant_id": origin.tenant_id,
            "ingestion_id": origin.ingestion_id,
            "loaded_at": origin.loaded_at,
            "sha256": origin.sha256,
        },
    )


def count_older(tx: Tx, dataset: Dataset, origin: Origin) -> Rows[int]:
    """How many of the room's rows, once it is merged, were passed over: the table has others of a later file."""
    columns, _, keys = table_of(dataset)
    rest = [name for name in columns if name not in keys]
    statement = SQL(
        "SELECT count(*) FROM {staging} s JOIN {target} c ON c.tenant_id = %(tenant_id)s AND ({of_c}) = ({of_s}) "
        "WHERE c._ingestion_id > %(ingestion_id)s::uuid AND ROW ({was}) IS DISTINCT FROM ROW ({now})"
    ).format(
        staging=_STAGING,
        target=_table(dataset),
        of_c=_names(keys, "c"),
        of_s=_names(keys, "s"),
        was=_names(rest, "c"),
        now=_names(rest, "s"),
    )
    return tx.scalars(int, _text(statement), {"tenant_id": origin.tenant_id, "ingestion_id": origin.ingestion_id})


def sample(tx: Tx, tenant_id: str, dataset: Dataset, limit: int) -> Rows[SampleRow]:
    """Some rows of one tenant, those loaded last first."""
    columns, types, _ = table_of(dataset)
    said = [
        SQL("{}::text AS {}").format(Identifier(name), Identifier(name))
        if kind.startswith("numeric")
        else Identifier(name)
        for name, kind in zip(columns, types, strict=True)
    ]
    statement = SQL(
        "SELECT row_to_json(t) AS row FROM (SELECT {said}, _ingestion_id, _loaded_at, "
        "encode(_source_sha256, 'hex') AS _source_sha256, _row_number FROM {table} WHERE tenant_id = %(tenant_id)s "
        "ORDER BY _loaded_at DESC, _row_number LIMIT %(limit)s) t"
    ).format(said=_listed(said), table=_table(dataset))
    return tx.query(SampleRow, _text(statement), {"tenant_id": tenant_id, "limit": limit})


def _on_conflict(keys: Sequence[str], rest: Sequence[str]) -> Composed:
    """Rows that say the same stay as they are, with the delivery that brought them; so do those of later files."""
    given = [*rest, *_LINEAGE]
    if not rest:
        return SQL(" ON CONFLICT (tenant_id, {keys}) DO NOTHING").format(keys=_names(keys))
    return SQL(
        " ON CONFLICT (tenant_id, {keys}) DO UPDATE SET ({given}) = ROW ({new}) "
        "WHERE c._ingestion_id <= excluded._ingestion_id AND ({was}) IS DISTINCT FROM ({now})"
    ).format(
        keys=_names(keys),
        given=_names(given),
        new=_names(given, "excluded"),
        was=_names(rest, "c"),
        now=_names(rest, "excluded"),
    )


def _table(dataset: Dataset) -> Identifier:
    return Identifier("files", f"curated_{dataset.name}")


def _names(names: Iterable[str], of: str | None = None) -> Composed:
    return _listed(Identifier(name) if of is None else Identifier(of, name) for name in names)


def _listed(parts: Iterable[Composable]) -> Composed:
    return SQL(", ").join(parts)


def _text(statement: Composable) -> bytes:
    return statement.as_bytes(None)
