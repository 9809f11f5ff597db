"""How rows are read into the dataclasses and structs of the stages."""

from collections.abc import Callable, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

Row = TypeVar("Row")


def read_into(row: type[Row]) -> Callable[[Any], Callable[[Sequence[Any]], Row]]:
    """A row factory: by column name; where the columns are the fields in order, by position, at half the price."""
    by_name = class_row(row)

    def factory(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Row]:
        found = cursor.pgresult
        if found is None or [found.fname(at) for at in range(found.nfields)] != _positions(row):
            return by_name(cursor)
        return lambda values: row(*values)

    return factory


@cache
def _positions(row: type[Any]) -> list[bytes] | None:
    """The fields that it takes by position; None where it does not take all of them so."""
    parameters = signature(row).parameters.values()
    by_position = all(one.kind is Parameter.POSITIONAL_OR_KEYWORD for one in parameters)
    return [one.name.encode() for one in parameters] if by_position else None
