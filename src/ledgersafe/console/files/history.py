"""What came of a dataset over time: headers that files had, deliveries in figures, and rows of its table."""

from collections.abc import Sequence

import altair as alt
import streamlit as st

from ledgersafe.client.api import ApiProblem
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.files.states import state_badge
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Lines, Link, Number, show_table
from ledgersafe.console.words import count, literal, moment

_MOST_HEADERS = 50
_MOST_DELIVERIES = 50
_MOST_COLUMNS = 6
_SAMPLE = 25
_COLOURS = ("#0b5d4e", "#d98a00")
_MORE_COLOURS = ("#0b5d4e", "#d98a00", "#b3261e", "#3b6ea5", "#7a4fa3", "#5c6b66")
_NO_FILE = "No file of it has been read yet. Send one on the page *Files*."
_HEIGHT = 220


def show_columns(screen: Screen, dataset: str) -> None:
    """Every header that files had, those seen last first, each against the next of them."""
    page = screen.get(f"/v1/datasets/{dataset}/schema_history", {"limit": _MOST_HEADERS})
    items = listed(page["items"])
    before = [*items[1:], None][: len(items)]
    show_table(
        ("First seen (UTC)", "Last seen (UTC)", "Files", "Against the header below", "Columns"),
        [_header(screen, one, old) for one, old in zip(items, before, strict=True)],
        empty=_NO_FILE,
        name="Headers",
    )
    if len(items) == _MOST_HEADERS:
        st.caption(f"These are the last {_MOST_HEADERS}.")


def _header(screen: Screen, one: Members, before: Members | None) -> tuple[Cell, ...]:
    columns = members(one["columns"])
    return (
        Link(moment(one["first_seen_at"]), screen.link("delivery", id=one["first_ingestion_id"], report="Drift")),
        Link(moment(one["last_seen_at"]), screen.link("delivery", id=one["last_ingestion_id"], report="Drift")),
        Number(count(one["deliveries"])),
        None if before is None else Lines(tuple(_changes(members(before["columns"]), columns))),
        ", ".join(f"{name} ({kind})" for name, kind in columns.items()),
    )


def _changes(old: Members, new: Members) -> list[str]:
    """What is new, gone, or looks like another type."""
    found = [f"new: {name}" for name in new if name not in old]
    found += [f"gone: {name}" for name in old if name not in new]
    kinds = [(name, old[name], kind) for name, kind in new.items() if name in old and old[name] != kind]
    return found + [f"{name}: {was} became {now}" for name, was, now in kinds]


def show_trends(screen: Screen, dataset: str) -> None:
    """Rows loaded and held, and shares of missing values, from delivery to delivery."""
    items = listed(screen.get(f"/v1/datasets/{dataset}/trends", {"limit": _MOST_DELIVERIES})["items"])
    if not items:
        st.info(_NO_FILE)
        return
    oldest_first = list(reversed(items))
    st.subheader("Rows", anchor=False)
    _show_rows(oldest_first)
    _show_missing(oldest_first)
    st.subheader("Deliveries", anchor=False)
    rows = [_delivery(screen, one) for one in items]
    heads = ("Received (UTC)", "File", "State", "Rows", "Loaded", "Held", "Faults by rule")
    show_table(heads, rows, empty=_NO_FILE, name="Trend")
    if len(items) == _MOST_DELIVERIES:
        st.caption(f"These are the last {_MOST_DELIVERIES}; all of them are on the page *Files*.")


def _show_rows(items: Sequence[Members]) -> None:
    """Bars, a delivery each."""
    shown = {"rows_ok": "loaded", "rows_bad": "held"}
    points = [
        {"n": number, "file": one["filename"], "at": moment(one["received_at"]), "what": what, "rows": one[member]}
        for number, one in enumerate(items, 1)
        for member, what in shown.items()
    ]
    colour = alt.Color("what:N", title=None, scale=alt.Scale(domain=list(shown.values()), range=list(_COLOURS)))
    chart = alt.Chart(alt.Data(values=points), height=_HEIGHT).mark_bar()
    st.altair_chart(
        chart.encode(
            x=_DELIVERIES, y=alt.Y("rows:Q", title="rows"), color=colour, tooltip=["file:N", "at:N", "rows:Q"]
        ),
        alt="Rows loaded and held of each delivery; the table below has the same numbers",
    )


_DELIVERIES = alt.X("n:O", title="deliveries, oldest first", axis=alt.Axis(labels=False, ticks=False))


def _show_missing(items: Sequence[Members]) -> None:
    """Lines, of the columns that miss most."""
    names = {name for one in items for name in members(one["null_fractions"])}
    most = {name: max(members(one["null_fractions"]).get(name, 0.0) for one in items) for name in names}
    shown = sorted((name for name in names if most[name]), key=lambda name: (-most[name], name))[:_MOST_COLUMNS]
    if not shown:
        st.caption("No value was missing in any of them.")
        return
    st.subheader("Values that are missing", anchor=False)
    points = [
        {"n": number, "file": one["filename"], "at": moment(one["received_at"]), "column": name, "share": share}
        for number, one in enumerate(items, 1)
        for name in shown
        if (share := members(one["null_fractions"]).get(name)) is not None
    ]
    chart = alt.Chart(alt.Data(values=points), height=_HEIGHT).mark_line(point=True)
    share = alt.Y("share:Q", title="share missing", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    colour = alt.Color("column:N", title=None, scale=alt.Scale(domain=shown, range=list(_MORE_COLOURS)))
    st.altair_chart(
        chart.encode(x=_DELIVERIES, y=share, color=colour, tooltip=["file:N", "at:N", "column:N", "share:Q"]),
        alt="Share of missing values of each column, delivery by delivery",
    )


def _delivery(screen: Screen, one: Members) -> tuple[Cell, ...]:
    faults = [f"{rule}: {number:,}" for rule, number in members(one["faults"]).items()]
    is_held = one["reason_code"] and not one["replayed_as"]
    badge = Badge(one["reason_code"], "bad") if is_held else state_badge(one)
    return (
        moment(one["received_at"]),
        Link(one["filename"], screen.link("delivery", id=one["ingestion_id"])),
        badge,
        Number(count(one["rows_in"])),
        Number(count(one["rows_ok"])),
        Number(count(one["rows_bad"])),
        Lines(tuple(faults)),
    )


def show_sample(screen: Screen, dataset: str, kind: str | None) -> None:
    """Rows of its table, those loaded last first, each with the delivery and the row that it came from."""
    if kind == "events":
        st.info("Its rows become events for the ledger: it has no table of its own. What they became is in *Ledger*.")
        return
    try:
        rows = listed(screen.get(f"/v1/datasets/{dataset}/curated/sample", {"limit": _SAMPLE})["rows"])
    except ApiProblem as problem:
        if problem.status not in (404, 409):
            raise
        st.info(f"There is no row to show. {literal(problem.detail)}")
        return
    names = [name for name in (rows[0] if rows else ()) if not name.startswith("_")]
    show_table(
        (*names, "Loaded (UTC)", "From"),
        [_sampled(screen, row, names) for row in rows],
        empty="Its table is empty: no good row of it was loaded yet.",
        name="Sample",
    )
    st.caption(f"The {len(rows)} rows loaded last of *files.curated\\_{literal(dataset)}*." if rows else "")


def _sampled(screen: Screen, row: Members, names: Sequence[str]) -> tuple[Cell, ...]:
    origin = Link(f"row {row['_row_number']}", screen.link("delivery", id=row["_ingestion_id"]))
    return (*(None if row[name] is None else str(row[name]) for name in names), moment(row["_loaded_at"]), origin)
