"""Audit: who did what, and the seals that show that nobody changed it since."""

from collections.abc import Callable, Mapping

import streamlit as st

from ledgersafe.console.fields import section_field
from ledgersafe.console.parts import audit_log, seals
from ledgersafe.console.screen import Screen

_RECORDS: Mapping[str, Callable[[Screen], None]] = {
    "Log": audit_log.show,
    seals.SEALS: seals.show_seals,
    seals.HEAD: seals.show_head,
}


def show(screen: Screen) -> None:
    """The records that the address names."""
    st.title("Audit")
    chosen = section_field("Records", "records", _RECORDS)
    _RECORDS[chosen](screen)
