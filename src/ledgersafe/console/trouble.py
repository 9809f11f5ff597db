"""What a page shows when the API does not do what was asked: what it is, and how to go on."""

from collections.abc import Callable

import streamlit as st

from ledgersafe.client.api import ApiClient, ApiError, ApiProblem, Unreachable
from ledgersafe.console.words import literal

_LOOKS_AGAIN_SECONDS = 2


def guarded(client: ApiClient, show: Callable[[], None]) -> None:
    """Show something, or why it cannot be shown. A page that finds nobody to ask goes on by itself once there is."""
    try:
        show()
    except Unreachable as error:
        st.error(f"**The API does not answer.** {literal(error.message)} This page goes on by itself once it does.")
        _wait_for(client)
    except ApiError as error:
        show_trouble(error)


def show_trouble(error: ApiError) -> None:
    """A failure where it happened, in the words of the API, with every fault that it found."""
    if not isinstance(error, ApiProblem):
        st.error(literal(error.message))
        return
    code = f" `{error.reason_code}`" if error.reason_code else ""
    st.error("\n\n".join([f"{literal(error.detail)}{code}", *(f"- {literal(fault)}" for fault in error.faults)]))
    if error.status == 401:
        st.html('<a href="/sign-in">Sign in again</a>')
    elif error.status == 503:
        st.caption("This is not for long: try again in a moment.")


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _wait_for(client: ApiClient) -> None:
    try:
        client.get("/readyz")
    except ApiError:
        return
    st.rerun()
