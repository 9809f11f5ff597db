"""Every page's frame: who has signed in, whose books, the way to the other pages."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import streamlit as st

from ledgersafe.console.pages import PAGES
from ledgersafe.console.screen import Screen
from ledgersafe.console.sessions import COOKIE, SignedIn, sessions
from ledgersafe.console.trouble import guarded
from ledgersafe.console.words import literal

ALL = "All tenants"
_TENANT = "tenant"
_MOST_TENANTS = 1000
_STYLE = Path(__file__).with_name("style.css")
_ICON = Path(__file__).with_name("icon.svg")
"""Of our own: those of Streamlit's names are fetched from another site."""
_SIGN_OUT = '<form method="post" action="/sign-out"><button class="ls-plain">Sign out</button></form>'


def show(now: datetime) -> None:
    """One run of the page that the address names."""
    st.set_page_config(page_title="Ledgersafe", page_icon=str(_ICON), layout="wide")
    st.html(_STYLE)
    signed_in = sessions().find(st.context.cookies.get(COOKIE))
    if signed_in is None:
        st.warning("You are no longer signed in.")
        st.html('<a href="/sign-in">Sign in</a>')
        st.stop()
    pages = [
        st.Page(
            partial(_run, page.show, signed_in, now),
            title=page.title,
            icon=page.icon,
            url_path=page.path,
            default=page.is_first,
            visibility="hidden" if page.is_reached_by_link else "visible",
        )
        for page in PAGES
    ]
    chosen = st.navigation(pages, position="sidebar", expanded=True)
    chosen.run()


def _run(page: Callable[[Screen], None], signed_in: SignedIn, now: datetime) -> None:
    guarded(signed_in.client, lambda: page(_screen(signed_in, now)))


def _screen(signed_in: SignedIn, now: datetime) -> Screen:
    answer = signed_in.client.get("/v1/tenants", {"limit": _MOST_TENANTS})
    known = tuple(tenant["tenant_id"] for tenant in answer["items"])
    wanted = st.query_params.get(_TENANT)  # read before the field is drawn, which takes what it does not offer away
    with st.sidebar:
        tenant = _chosen_tenant(known)
        st.caption(f"Signed in as {literal(signed_in.who.actor)}")
        st.html(_SIGN_OUT)
    if known and wanted not in (None, ALL, *known):
        st.error(f"Your key serves no tenant {literal(wanted)}: the address is mistyped, or of somebody else's books.")
        st.html('<a href="/">To the tenants that it serves</a>')
        st.stop()
    return Screen(signed_in.client, signed_in.who, tenant, known, now)


def _chosen_tenant(known: tuple[str, ...]) -> str | None:
    if len(known) == 1:
        st.markdown(f"Tenant **{literal(known[0])}**")
        return known[0]
    chosen = st.selectbox("Tenant", [ALL, *known], key=_TENANT, bind="query-params")
    return None if chosen == ALL else chosen
