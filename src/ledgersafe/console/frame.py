"""Every page's frame: who has signed in, whose books, the way to the other pages."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import streamlit as st

from ledgersafe.client.api import ApiClient, ApiProblem, in_path
from ledgersafe.console.fields import text_field
from ledgersafe.console.pages import PAGES
from ledgersafe.console.parts.actors import called
from ledgersafe.console.screen import Screen
from ledgersafe.console.sessions import COOKIE, SignedIn, sessions
from ledgersafe.console.trouble import guarded, show_sign_in
from ledgersafe.console.words import literal

ALL = "All tenants\n"
"""As the field offers it; no tenant is called so, for control characters are in no name of one."""
_TENANT = "tenant"
_MOST_OFFERED = 300
"""Tenants to choose from; where there are more, the name is typed."""
_NAME = "Ledgersafe"
_STYLE = Path(__file__).with_name("style.css")
_COME_BACK = Path(__file__).with_name("come_back.html")
_ICON = Path(__file__).with_name("icon.svg")
"""Of our own: those of Streamlit's names are fetched from another site."""
_SIGN_OUT = '<form method="post" action="/sign-out"><button class="ls-plain">Sign out</button></form>'


def show(now: datetime) -> None:
    """One run of the page that the address names."""
    st.set_page_config(page_title=_NAME, page_icon=str(_ICON), layout="wide")
    st.html(_STYLE)
    with st.sidebar:
        st.html(_COME_BACK, unsafe_allow_javascript=True)
    signed_in = sessions().find(st.context.cookies.get(COOKIE))
    if signed_in is None:
        st.warning("You are no longer signed in.")
        show_sign_in("Sign in")
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
    st.set_page_config(page_title=f"{chosen.title} · {_NAME}")
    chosen.run()


def _run(page: Callable[[Screen], None], signed_in: SignedIn, now: datetime) -> None:
    guarded(signed_in.client, lambda: page(_screen(signed_in, now)))


def _screen(signed_in: SignedIn, now: datetime) -> Screen:
    answer = signed_in.client.get("/v1/tenants", {"limit": _MOST_OFFERED})
    known = tuple(tenant["tenant_id"] for tenant in answer["items"])
    are_all = answer["next"] is None
    wanted = st.query_params.get(_TENANT)  # read before the field is drawn, which takes what it does not offer away
    with st.sidebar:
        tenant = _chosen_tenant(known) if are_all else _typed_tenant()
        screen = Screen(signed_in.client, signed_in.who, tenant, known, now)
        st.caption(f"Signed in as {literal(called(screen, signed_in.who.actor))}")
        st.html(_SIGN_OUT)
    asked = (wanted or None) if are_all else tenant
    if known and asked not in (None, ALL, *known) and (are_all or not _serves(signed_in.client, asked)):
        st.error(f"Your key serves no tenant {literal(asked)}: the address is mistyped, or of somebody else's books.")
        st.html('<a href="/">To the tenants that it serves</a>')
        st.stop()
    return screen


def _chosen_tenant(known: tuple[str, ...]) -> str | None:
    if len(known) == 1:
        st.markdown(f"Tenant **{literal(known[0])}**")
        return known[0]
    chosen = st.selectbox("Tenant", [ALL, *known], key=_TENANT, bind="query-params")
    return None if chosen == ALL else chosen


def _typed_tenant() -> str | None:
    hint = f"There are more than {_MOST_OFFERED}: type the name of one. Without a name, all are looked at."
    return text_field("Tenant", _TENANT, placeholder="all", hint=hint, is_id=True)


def _serves(client: ApiClient, tenant: str) -> bool:
    try:
        client.get(f"/v1/tenants/{in_path(tenant)}")
    except ApiProblem as problem:
        if problem.status not in (403, 404, 422):
            raise
        return False
    return True
