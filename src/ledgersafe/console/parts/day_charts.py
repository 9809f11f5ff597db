"""Bars by day. They are drawn of rounded numbers; the exact ones are in the tips, and in the table beside the chart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import altair as alt
import streamlit as st

from ledgersafe.console.words import amount

_HEIGHT = 260
_MOST_DAYS = 100
_MOST_SERIES = 6
_REST = "all others"
_COLOURS = ["#0b5d4e", "#d98a00", "#3b6ea5", "#b3261e", "#7a5195", "#6b8e23", "#8fa19b"]


@dataclass(frozen=True, slots=True)
class Point:
    """What one series comes to on one day (ISO 8601); `value` is an exact decimal."""

    day: str
    series: str
    value: str


def show_bars(points: Sequence[Point], *, days: Sequence[str], unit: str) -> None:
    """A bar a day, split by series: the largest ones, and all others as one.

    `days`: on the axis, those of nothing as well; `unit`: what the other axis is called.
    """
    sums = _sums(points)
    names = list(dict.fromkeys(series for _, series in sorted(sums, key=lambda key: (key[1] == _REST, key[1]))))
    values = [
        {"day": day, "series": series, "value": float(value), "exact": amount(str(value))}
        for (day, series), value in sums.items()
    ]
    colour = alt.Color(
        "series:N",
        title=None,
        legend=alt.Legend(orient="top", labelLimit=160) if len(names) > 1 else None,
        scale=alt.Scale(domain=names, range=_COLOURS),
    )
    chart = (
        alt.Chart(alt.Data(values=values), height=_HEIGHT)
        .mark_bar()
        .encode(
            x=alt.X(
                "day:O",
                title="Books date (month-day)",
                scale=alt.Scale(domain=list(days)),
                axis=alt.Axis(labelOverlap=True, labelAngle=0, labelExpr="slice(datum.label, 5)"),
            ),
            y=alt.Y("value:Q", title=unit),
            color=colour,
            tooltip=[
                alt.Tooltip("day:O", title="Books date"),
                alt.Tooltip("series:N", title="Of"),
                alt.Tooltip("exact:N", title=unit),
            ],
        )
    )
    st.altair_chart(chart)


def all_days(days: Iterable[str]) -> list[str]:
    """From the first of these days to the last, each; only these where that would be too many to be told apart."""
    known = sorted({date.fromisoformat(day) for day in days})
    length = (known[-1] - known[0]).days + 1
    shown = known if length > _MOST_DAYS else [known[0] + timedelta(days=number) for number in range(length)]
    return [day.isoformat() for day in shown]


def _sums(points: Iterable[Point]) -> dict[tuple[str, str], Decimal]:
    """By day and series, the small series put together."""
    listed = list(points)
    sizes: dict[str, Decimal] = {}
    for point in listed:
        sizes[point.series] = sizes.get(point.series, Decimal(0)) + abs(Decimal(point.value))
    kept = set(sorted(sizes, key=lambda series: sizes[series], reverse=True)[:_MOST_SERIES])
    sums: dict[tuple[str, str], Decimal] = {}
    for point in listed:
        key = point.day, point.series if point.series in kept else _REST
        sums[key] = sums.get(key, Decimal(0)) + Decimal(point.value)
    return sums
