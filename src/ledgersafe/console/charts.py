"""Charts over time, in UTC. The numbers behind them stand on the page as well, or are one link away."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import streamlit as st

_HEIGHT = 220
_FORMATS = {"at": "%H:%M", "books_date": "%d %b %Y"}
"""Of a member that holds instants, and of one that holds days."""
_COLOURS = ["#0b5d4e", "#d98a00", "#b3261e", "#3b6ea5"]


def show_lines(rows: Sequence[Mapping[str, Any]], shown: Mapping[str, str], *, over: str, unit: str) -> None:
    """Lines over instants or days. `shown`: member of a row → what it is called; one that is null is left out."""
    points = [
        {"at": row[over], "what": name, "value": float(row[member])}
        for row in rows
        for member, name in shown.items()
        if row.get(member) is not None
    ]
    names = list(shown.values())
    colour = alt.Color(
        "what:N", title=None, legend=alt.Legend(orient="top"), scale=alt.Scale(domain=names, range=_COLOURS)
    )
    chart = (
        alt.Chart(alt.Data(values=points), height=_HEIGHT)
        .mark_line(interpolate="monotone", point={"size": 30})
        .encode(
            x=alt.X(
                "at:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(format=_FORMATS[over], labelOverlap=True)
            ),
            y=alt.Y("value:Q", title=unit),
            color=colour,
            tooltip=[
                alt.Tooltip("at:T", title="UTC", format="%Y-%m-%d %H:%M"),
                "what:N",
                alt.Tooltip("value:Q", title=unit),
            ],
        )
    )
    st.altair_chart(chart)
