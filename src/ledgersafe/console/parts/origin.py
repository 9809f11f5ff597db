"""The file that an arrival came out of: which rows of it, the way to its delivery, and the rows as they stand there."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, cast

import streamlit as st

from ledgersafe.client.api import ApiProblem
from ledgersafe.client.origins import in_words
from ledgersafe.console.parts.pretty import cut
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Cell, Number, show_table
from ledgersafe.console.words import count, literal, plural, visible

AS_IT_IS = "As the file has it"
_MOST_SHOWN = 300
_MOST_KEPT = 4
_KEPT = "rows of files"
_REDACTED = {"redacted": True}

Rows = tuple[list[str], list[list[Cell]]]
"""Names of columns, and cells by row."""


def file_in_words(origin: Mapping[str, Any]) -> str:
    """`File day.csv, row 1,234`."""
    return f"File {in_words(origin)}"


def way_to(screen: Screen, tenant: str, origin: Mapping[str, Any]) -> str:
    """The address of its delivery."""
    return screen.link("delivery", tenant=tenant, id=origin["ingestion_id"])


def show_origin(screen: Screen, tenant: str, arrival: Mapping[str, Any]) -> None:
    """Where an arrival is from, and a fold-out with the rows; nothing where it came out of no file, or is redacted."""
    origin = arrival["origin"]
    if origin is None:
        return
    to = escape(way_to(screen, tenant, origin))
    st.html(f'<p class="ls-way"><a href="{to}" target="_self">{escape(visible(file_in_words(origin)))}</a></p>')
    show_rows(screen, tenant, arrival)


def show_rows(screen: Screen, tenant: str, arrival: Mapping[str, Any], label: str = AS_IT_IS) -> None:
    """The fold-out alone. The file is read once somebody opens it."""
    origin = arrival["origin"]
    if origin is None or arrival["payload_json"] == _REDACTED:
        return
    folded = st.expander(literal(label), key=f"{AS_IT_IS} {arrival['raw_id']}", on_change="rerun")
    if folded.open:
        with folded:
            _show_read(screen, tenant, origin)


def _show_read(screen: Screen, tenant: str, origin: Mapping[str, Any]) -> None:
    try:
        columns, rows = _read(screen, tenant, origin)
    except ApiProblem as problem:
        st.info(literal(problem.detail))
        return
    show_table(["Row", *columns], rows, empty="The file has no such rows.", name=file_in_words(origin))
    if (more := origin["rows_in_all"] - len(origin["rows"])) > 0:
        st.caption(f"{plural(more, 'more row')} of it are not shown.")


def _read(screen: Screen, tenant: str, origin: Mapping[str, Any]) -> Rows:
    """Kept for a while: a kept file does not change, and each click runs the page again. Raises ApiProblem."""
    kept = cast("dict[Any, Rows]", st.session_state.setdefault(_KEPT, {}))
    name = (tenant, origin["ingestion_id"], *origin["rows"])
    if name not in kept:
        asked = {"tenant_id": tenant, "numbers": list(origin["rows"])}
        found = screen.client.get(f"/v1/ingestions/{origin['ingestion_id']}/rows", asked)
        for oldest in list(kept)[: len(kept) - _MOST_KEPT + 1]:
            del kept[oldest]
        kept[name] = _laid_out(found)
    return kept[name]


def _laid_out(found: Mapping[str, Any]) -> Rows:
    columns: list[str] = found["columns"]
    has_text = any(row["values"] is None for row in found["rows"])
    rows = [
        [Number(count(row["row_number"])), *_values(row, columns), *_text(row, is_shown=has_text)]
        for row in found["rows"]
    ]
    return [*columns, *(["As text"] if has_text else [])], rows


def _values(row: Mapping[str, Any], columns: Sequence[str]) -> list[Cell]:
    values: Mapping[str, str | None] = row["values"] or {}
    return [cut(values.get(name) or "", _MOST_SHOWN) for name in columns]


def _text(row: Mapping[str, Any], *, is_shown: bool) -> list[Cell]:
    """Of a row that cannot be cut into values."""
    return [cut(row["text"] or "", _MOST_SHOWN)] if is_shown else []
