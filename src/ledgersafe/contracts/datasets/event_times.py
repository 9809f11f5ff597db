"""Whether the times of a group's rows lie so close that they are of one event.

A till that numbers its receipts anew each day has one number on many of them: in a file of several days, they would
make one sale. A receipt that passes midnight is one.
"""

import polars as pl

from ledgersafe.contracts.datasets.events_rules import TEMPLATE
from ledgersafe.contracts.datasets.model import ROW, Dataset

APART_COLUMNS: dict[str, type[pl.DataType]] = {
    ROW: pl.Int64, "column": pl.String, "value": pl.String, "message": pl.String,
}  # fmt: skip
_AN_HOUR = 3_600_000_000


def far_apart(dataset: Dataset, rows: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
    """The rows (APART_COLUMNS) of groups whose times lie further apart than `max_hours`. `rows`: good ones; `keys`:
    their groups.
    """
    names = _time_columns(dataset)
    found = pl.DataFrame(schema=APART_COLUMNS)
    if not names or not rows.height:
        return found
    times = _instants(dataset, rows, names)
    said = pl.DataFrame({ROW: rows[ROW], "value": rows[names[0]], "key": keys, "at": times})
    hours = (pl.col("at").max() - pl.col("at").min()).over("key") / _AN_HOUR
    assert dataset.shape.events is not None, "asked of events only"
    most = dataset.shape.events.max_hours
    apart = said.with_columns(hours.alias("hours")).filter(pl.col("hours") > most)
    told = [_told(hours, most) for hours in apart["hours"]]
    columns = {ROW: apart[ROW], "column": [names[0]] * apart.height, "value": apart["value"], "message": told}
    return pl.DataFrame(columns, schema=APART_COLUMNS)


def _told(hours: float, most: float) -> str:
    shown = f"{hours / 24:,.0f} days" if hours >= 48 else f"{hours:,.0f} hours"
    told = f"the times of its group lie {shown} apart, {most:g} hours at most may be (max_hours)"
    return f"{told}: if the number is used anew each day, put the day into group_by, event_id and txn_id"


def _time_columns(dataset: Dataset) -> list[str]:
    """Those that say when an event took place, the first one first; none where its groups are of a day each."""
    events = dataset.shape.events
    if events is None or any(dataset.column(name).type.name in ("date", "datetime") for name in events.group_by):
        return []
    field = events.fields.get("occurred_at")
    if field is None:
        return []
    names = [field.column] if field.column is not None else TEMPLATE.findall(field.template or "")
    return [] if any(name in events.group_by for name in names) else names


def _instants(dataset: Dataset, rows: pl.DataFrame, names: list[str]) -> pl.Series:
    """Of each row, in microseconds; null where nothing is said, or not as events say it."""
    events = dataset.shape.events
    template = "" if events is None else events.fields["occurred_at"].template or ""
    text = pl.format(TEMPLATE.sub("{}", template), *names) if template else pl.col(names[0])
    clean = text.str.to_uppercase().str.replace(" ", "T", literal=True)
    to_second = clean.str.head(19).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    to_minute = clean.str.head(16).str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False)
    to_day = clean.str.head(10).str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
    return rows.select(pl.coalesce(to_second, to_minute, to_day).dt.epoch("us")).to_series()
