"""Pipeline: do the workers keep up, and does everything tie out?"""

import streamlit as st

from ledgersafe.console.fields import section_field
from ledgersafe.console.parts.check_all import show_checks
from ledgersafe.console.parts.job_list import show_jobs
from ledgersafe.console.parts.lag import show_lag
from ledgersafe.console.parts.webhook_list import show_webhooks
from ledgersafe.console.screen import Screen

_SHOWN = ("Jobs", "Lag", "Webhooks", "Checks")


def show(screen: Screen) -> None:
    """The part that the address names."""
    st.title("Pipeline", anchor=False)
    shown = section_field("What is shown", "shown", _SHOWN)
    match shown:
        case "Jobs":
            show_jobs(screen)
        case "Lag":
            show_lag(screen)
        case "Webhooks":
            show_webhooks(screen)
        case _:
            show_checks(screen)
