"""Ledger: what the books say, that they tie out, and which months are closed. Its sections are in the address."""

from collections.abc import Callable, Mapping

import streamlit as st

from ledgersafe.console.fields import section_field
from ledgersafe.console.parts import entries, months, sales, tie_out, trial_balance
from ledgersafe.console.screen import Screen

_SECTIONS: Mapping[str, Callable[[Screen], None]] = {
    "Trial balance": trial_balance.show,
    entries.SECTION: entries.show,
    sales.DAILY.section: sales.show_daily_sales,
    sales.RETURNS.section: sales.show_returns,
    sales.PAYMENTS.section: sales.show_payments,
    tie_out.SECTION: tie_out.show,
    months.SECTION: months.show,
}


def show(screen: Screen) -> None:
    """The section that the address names."""
    st.title("Ledger")
    screen.one_tenant()
    chosen = section_field("Section", "section", _SECTIONS)
    _SECTIONS[chosen](screen)
