"""Does everything tie out? Asked on request: it reads whole tables."""

from typing import Any

import streamlit as st

from ledgersafe.console.files.members import Members, listed
from ledgersafe.console.parts.on_request import SECONDS, on_request
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Code, Number, show_table
from ledgersafe.console.words import amount, moment, plural


def show_checks(screen: Screen) -> None:
    """The checks of the tenant looked at, or of all: those that are off stand first."""
    whose = "all tenants" if screen.tenant is None else "this tenant"
    st.markdown(f"What must always hold is held against the tables of {whose}, in one snapshot.")

    def ask() -> Any:
        return screen.client.get("/v1/verify", {"tenant_id": screen.tenant}, seconds=SECONDS)

    command = "ledgersafe verify" + (f" --tenant {screen.tenant}" if screen.tenant else "")
    got = on_request(screen, "verify", "Check everything now", command, ask)
    if got is None:
        return
    answer, at = got
    checks = [(one["tenant_id"], check) for one in listed(answer["tenants"]) for check in listed(one["checks"])]
    off = sum(not check["ok"] for _, check in checks)
    when = moment(at.isoformat())
    if off:
        st.error(f"{off} of {plural(len(checks), 'check')} are off, {when} UTC. The runbook says what to do.")
    elif checks:
        st.success(f"All {plural(len(checks), 'check')} hold, {when} UTC.")
    rows = [_cells(tenant, check) for tenant, check in sorted(checks, key=lambda one: one[1]["ok"])]
    show_table(
        ("Tenant", "", "What is held against what", "Left", "Right", "Check"),
        rows,
        empty="There is no tenant yet, so there is nothing to check.",
        name="Checks",
    )
    if answer["next"]:
        st.caption(f"These are the first {len(answer['tenants'])} tenants. Of all: `ledgersafe verify`.")


def _cells(tenant: str, check: Members) -> tuple[Cell, ...]:
    verdict = Badge("holds", "good") if check["ok"] else Badge("off", "bad")
    left, right = (Number(amount(str(check[side]))) for side in ("left", "right"))
    return tenant, verdict, check["details"], left, right, Code(check["name"])
