"""What a page shows when the API does not do what was asked: what it is, and how to go on."""

from collections.abc import Callable
from html import escape
from urllib.parse import urlencode, urlsplit

import streamlit as st

from ledgersafe.client.api import ApiClient, ApiError, ApiProblem, Unreachable
from ledgersafe.console.fields import CURSOR
from ledgersafe.console.words import literal

_LOOKS_AGAIN_SECONDS = 2
_SIGNED_OUT = 401


def guarded(client: ApiClient, show: Callable[[], None]) -> None:
    """Show something, or why it cannot be shown. A page that finds nobody to ask goes on by itself once there is."""
    try:
        show()
    except Unreachable as error:
        st.error(f"**The API does not answer.** {literal(error.message)} This page goes on by itself once it does.")
        _wait_for(client)
    except ApiError as error:
        show_trouble(error)
        _show_way_on(error)


def _show_way_on(error: ApiError) -> None:
    """Where the address may be what is wrong: to the same page without what it says of a list, or of anything."""
    said = st.query_params.to_dict()
    if isinstance(error, ApiProblem) and error.status != _SIGNED_OUT:
        if said.pop(CURSOR, None) is not None:
            _show_link("First page", said)
        if said.keys() - {"tenant"}:
            _show_link("This page from its beginning", {"tenant": said["tenant"]} if "tenant" in said else {})


def _show_link(text: str, to: dict[str, str]) -> None:
    st.html(f'<nav class="ls-pages"><a href="{escape(f"?{urlencode(to)}")}" target="_self">{text}</a></nav>')


def show_trouble(error: ApiError) -> None:
    """A failure where it happened, in the words of the API, with every fault that it found."""
    if not isinstance(error, ApiProblem):
        st.error(literal(error.message))
        return
    code = f" `{error.reason_code}`" if error.reason_code else ""
    st.error("\n\n".join([f"{literal(error.detail)}{code}", *(f"- {literal(fault)}" for fault in error.faults)]))
    if error.status == _SIGNED_OUT:
        show_sign_in("Sign in again")
    elif error.status == 503:
        st.caption("This is not for long: try again in a moment.")


def show_sign_in(text: str) -> None:
    """The way to sign in, and from there back to this page as it is."""
    here = urlsplit(st.context.url or "/").path or "/"
    said = urlencode(st.query_params.to_dict())
    back = urlencode({"next": f"{here}?{said}" if said else here})
    st.html(f'<a href="{escape(f"/sign-in?{back}")}" target="_self">{escape(text)}</a>')


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _wait_for(client: ApiClient) -> None:
    try:
        client.get("/readyz")
    except ApiError:
        return
    st.rerun()
