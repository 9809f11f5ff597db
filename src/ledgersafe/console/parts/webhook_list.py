"""Webhooks: who is told of exceptions, and whom that does not reach."""

import streamlit as st

from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.parts.actors import called
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Number, show_table
from ledgersafe.console.words import count, moment, plural


def show_webhooks(screen: Screen) -> None:
    """How many fail; of one tenant, and with the scope for it, each of them."""
    flow = members(members(screen.get("/v1/flow", {"minutes": 1}))["webhooks"])
    failing, disabled = flow["failing"], flow["disabled"]
    if failing:
        since = f", the longest since {moment(flow['failing_since'])} UTC" if flow["failing_since"] else ""
        st.warning(f"{plural(failing, 'webhook does', 'webhooks do')} not get through{since}. It is tried again.")
    if disabled:
        st.error(f"{plural(disabled, 'webhook was', 'webhooks were')} given up: nothing is sent there any more.")
    if not screen.who.may("admin"):
        st.info("Which webhooks there are, keys with the scope *admin* see.")
    elif screen.tenant is None and (screen.who.tenant_ids is None or len(screen.who.tenant_ids) != 1):
        st.info("Choose a tenant at the left to see its webhooks.")
    else:
        _show_each(screen)


def _show_each(screen: Screen) -> None:
    hooks = listed(screen.get("/v1/webhooks")["items"])
    show_table(
        ("Where to", "Told of", "State", "Waiting", "Fails since (UTC)", "Why", "Made (UTC)", "By"),
        [_cells(screen, hook) for hook in hooks],
        empty="Nobody is told of exceptions. `ledgersafe webhooks add URL` adds somebody.",
        name="Webhooks",
    )
    if any(hook["disabled_at"] for hook in hooks):
        st.caption("One that was given up is put back by removing it and adding it anew: `ledgersafe webhooks`.")


def _cells(screen: Screen, hook: Members) -> tuple[Cell, ...]:
    state = (
        Badge("given up", "bad")
        if hook["disabled_at"]
        else Badge("failing", "warn")
        if hook["failing_since"]
        else Badge("well", "good")
    )
    return (
        hook["url"],
        ", ".join(hook["kinds"]),
        state,
        Number(count(hook["pending"])),
        moment(hook["failing_since"]),
        hook["last_error"],
        moment(hook["created_at"]),
        called(screen, hook["created_by"]),
    )
