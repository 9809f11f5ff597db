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
_LINEAGE = ("_ingestion_id", "_source_sha256", "_row_number", "_loaded_at")
"""Which file said a row last, where in it; and since when the row says so: a file that repeats it leaves that alone."""


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
class Taken:
    """Rows that were taken out of the room: how many, and the numbers of the first of them."""

    count: int
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows of the room went into the table: as new ones, in place of what a row said, or saying what a row
    said already (`confirmed`). The others left the table as it was.
    """

    inserted: int
    replaced: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class Rival:
    """A row of the room, and the row of the same file whose key it has and which the table has (`other`)."""

    row_number: int
    other: int


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


def take_repeated(tx: Tx, dataset: Dataset, names: Sequence[str], most: int) -> Rows[Taken]:
    """Take out of the room every row whose values of these columns (of the contract) another row has, too.

    `most`: how many numbers are told.
    """
    same = _names(map(sql_name, names))
    twice = SQL("SELECT {same} FROM {staging} WHERE ({same}) IS NOT NULL GROUP BY {same} HAVING count(*) > 1")
    return _taken(tx, names, twice.format(same=same, staging=_STAGING), most)


def take_held(tx: Tx, dataset: Dataset, most: int) -> Rows[Taken]:
    """Take out of the room every row whose key one of the bad rows has, too. `most`: how many numbers are told."""
    held = SQL("SELECT {} FROM {}").format(_names(map(sql_name, dataset.primary_key)), _HELD)
    return _taken(tx, dataset.primary_key, held, most)


def _taken(tx: Tx, names: Sequence[str], which: Composed, most: int) -> Rows[Taken]:
    """`which`: a query of the values of these columns (of the contract) whose rows are taken."""
    same = [sql_name(name) for name in names]
    statement = SQL(
        "WITH which AS ({which}), "
        "gone AS (DELETE FROM {staging} s USING which t WHERE ({of_s}) = ({of_t}) RETURNING s._row_number) "
        "SELECT count(*) AS count, "
        "ARRAY(SELECT _row_number FROM gone ORDER BY _row_number LIMIT %(most)s) AS numbers FROM gone"
    ).format(which=which, staging=_STAGING, of_s=_names(same, "s"), of_t=_names(same, "t"))
    return tx.query(Taken, _text(statement), {"most": most})


def merge(tx: Tx, dataset: Dataset, origin: Origin, *, whole: bool = True) -> Rows[Merged]:
    """Put the room's rows into the table: new ones, and those whose key it has by the same file or by an older one.
    Without a key, a row is there already if a delivery of the same file put it there.

    Keys are met in their order, whatever order the file has: of several who merge the same keys at once, one waits for
    the other, and never both.
    `whole`: the room has all of its file; else what the table has by other rows of that file stays (`rivals`).
    Raises StatementRefused (21000) where two rows have the same key.
    """
    columns, _, keys = table_of(dataset)
    rest = [name for name in columns if name not in keys]
    target = _table(dataset)
    statement = SQL(
        "INSERT INTO {target} AS c (tenant_id, {columns}, {lineage}) "
        "SELECT %(tenant_id)s, {columns}, %(ingestion_id)s::uuid, %(sha256)s::bytea, _row_number, "
        "%(loaded_at)s::timestamptz FROM {staging}{in_order}{conflict} "
        "RETURNING c.xmax = 0 AS is_new, c._loaded_at = %(loaded_at)s::timestamptz AS is_changed"
    ).format(
        target=target,
        columns=_names(columns),
        lineage=_names(_LINEAGE),
        staging=_STAGING,
        in_order=_in_order(dataset),
        conflict=_on_conflict(keys or ("_ingestion_id", "_row_number"), rest, whole=whole),
    )
    counted = SQL(
        "WITH merged AS ({}) SELECT count(*) FILTER (WHERE is_new) AS inserted, "
        "count(*) FILTER (WHERE is_changed AND NOT is_new) AS replaced, "
        "count(*) FILTER (WHERE NOT is_changed) AS confirmed FROM merged"
    ).format(statement)
    parameters = {"loaded_at": origin.loaded_at, "sha256": origin.sha256}
    return tx.query(Merged, _text(counted), _whose(origin) | parameters)


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
    return tx.scalars(int, _text(statement), _whose(origin))


def rivals(tx: Tx, dataset: Dataset, origin: Origin) -> Rows[Rival]:
    """The room's rows, once it is merged, whose key the table has by another row of the same file."""
    _, _, keys = table_of(dataset)
    statement = SQL(
        "SELECT s._row_number AS row_number, c._row_number AS other FROM {staging} s "
        "JOIN {target} c ON c.tenant_id = %(tenant_id)s AND ({of_c}) = ({of_s}) "
        "WHERE c._ingestion_id = %(ingestion_id)s::uuid AND c._row_number <> s._row_number ORDER BY s._row_number"
    ).format(staging=_STAGING, target=_table(dataset), of_c=_names(keys, "c"), of_s=_names(keys, "s"))
    return tx.query(Rival, _text(statement), _whose(origin))


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
        "SELECT row_to_json(_t) AS row FROM (SELECT {said}, _ingestion_id, _loaded_at, "
        "encode(_source_sha256, 'hex') AS _source_sha256, _row_number FROM {table} WHERE tenant_id = %(tenant_id)s "
        "ORDER BY _loaded_at DESC, _row_number LIMIT %(limit)s) _t"
    ).format(said=_listed(said), table=_table(dataset))
    return tx.query(SampleRow, _text(statement), {"tenant_id": tenant_id, "limit": limit})


def _on_conflict(keys: Sequence[str], rest: Sequence[str], *, whole: bool) -> Composed:
    """What an older file said is the later file's from now on, also where both say the same: else a file between them
    that is loaded only afterwards would replace it. What a later file said stays.
    """
    given = [*rest, *_LINEAGE[:-1]]
    differs = SQL("({}) IS DISTINCT FROM ({})").format(_names(rest, "c"), _names(rest, "excluded"))
    same_row = SQL("(c._ingestion_id < excluded._ingestion_id OR c._row_number = excluded._row_number)")
    return SQL(
        " ON CONFLICT (tenant_id, {keys}) DO UPDATE SET ({given}, _loaded_at) = "
        "ROW ({new}, CASE WHEN {differs} THEN excluded._loaded_at ELSE c._loaded_at END) "
        "WHERE c._ingestion_id <= excluded._ingestion_id AND {allowed}"
    ).format(
        keys=_names(keys),
        given=_names(given),
        new=_names(given, "excluded"),
        differs=differs if rest else SQL("false"),
        allowed=SQL("true") if whole else same_row,
    )


def _in_order(dataset: Dataset) -> Composed:
    """Of the table's key. For a file in that order it costs half a microsecond a row; others are loaded the faster."""
    columns, types, keys = table_of(dataset)
    of_text = {name for name, kind in zip(columns, types, strict=True) if kind == "text"}
    parts = [SQL('{} COLLATE "C"' if name in of_text else "{}").format(Identifier(name)) for name in keys]
    return SQL(" ORDER BY {}").format(_listed(parts)) if parts else Composed([])


def _whose(origin: Origin) -> dict[str, Any]:
    return {"tenant_id": origin.tenant_id, "ingestion_id": origin.ingestion_id}


def _table(dataset: Dataset) -> Identifier:
    return Identifier("files", f"curated_{dataset.name}")


def _names(names: Iterable[str], of: str | None = None) -> Composed:
    return _listed(Identifier(name) if of is None else Identifier(of, name) for name in names)


def _listed(parts: Iterable[Composable]) -> Composed:
    return SQL(", ").join(parts)


def _text(statement: Composable) -> bytes:
    return statement.as_bytes(None)
