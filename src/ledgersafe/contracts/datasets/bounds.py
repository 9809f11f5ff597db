"""What must hold of `min` and `max` of a column: what they bound can be compared with them, and lies between. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from ledgersafe.contracts.datasets.shape import ColumnShape
from ledgersafe.contracts.datasets.types import ColumnType

_LARGEST_INTEGER = 2**63 - 1
_MOST_DIGITS = 38
"""Before the point, of any number that is read."""
_Limit = Decimal | datetime


def bound_faults(column: ColumnShape, kind: ColumnType) -> Iterator[tuple[str, str]]:
    """(member, what is wrong) of every fault."""
    limits: dict[str, _Limit] = {}
    for member, value in (("min", column.min), ("max", column.max)):
        if value is None:
            continue
        if kind.name == "boolean":
            yield member, "is for numbers, strings, dates and instants, not for boolean"
            continue
        try:
            limits[member] = limit = _limit(value, kind)
        except ValueError as error:
            yield member, str(error)
            continue
        if isinstance(limit, Decimal):
            yield from ((member, message) for message in _beyond(member, value, limit, kind))
    if len(limits) > 1 and limits["min"] > limits["max"]:  # pyright: ignore[reportOperatorIssue] - of one kind both
        yield "max", f"is less than min ({column.min}), so that no value is good: turn them round"


def _limit(value: float | str, kind: ColumnType) -> _Limit:
    """As it is compared. Raises ValueError."""
    if not kind.is_time:
        return _number(value, kind)
    try:
        instant = datetime.fromisoformat(str(value))
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is no ISO 8601 date of the years 1 to 9999") from None


def _number(value: float | str, kind: ColumnType) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number")
    if -int(number.as_tuple().exponent) > _MOST_DIGITS:
        raise ValueError(f"{value!r} has more than {_MOST_DIGITS} decimals, which no value has")
    if kind.name in ("integer", "string") and number != number.to_integral_value():
        raise ValueError(f"{value!r} is no whole number, as what it bounds is")
    return number


def _beyond(member: str, value: float | str, limit: Decimal, kind: ColumnType) -> Iterator[str]:
    """Of bounds that no value can be compared with, or that none lies within."""
    digits = (kind.precision or 0) - (kind.scale or 0) if kind.name == "decimal" else _MOST_DIGITS
    is_whole = kind.name in ("integer", "string")
    if kind.name == "string" and limit < 0 and member == "max":
        yield f"{value!r} is no length: no text is so short"
    elif limit.adjusted() >= _MOST_DIGITS or (is_whole and abs(limit) > _LARGEST_INTEGER):
        most = f"{_LARGEST_INTEGER}" if is_whole else f"{_MOST_DIGITS} digits"
        yield f"{value!r} is more than a value can be compared with ({most}): leave it out"
    elif limit and limit.adjusted() >= digits and (limit > 0) == (member == "min"):
        yield f"{value!r} is beyond every {kind}, so that no value is good: give the column more digits"
