"""Links outside tables."""

from collections.abc import Mapping
from html import escape

import streamlit as st


def show_links(links: Mapping[str, str], *, name: str) -> None:
    """Links in a row. `links`: text → address in this console; `name`: of the row, for screen readers."""
    anchors = [f'<a href="{escape(to)}" target="_self">{escape(text)}</a>' for text, to in links.items()]
    st.html(f'<nav class="ls-pages" aria-label="{escape(name)}">{"".join(anchors)}</nav>')
