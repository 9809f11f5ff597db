"""The seals: chained hashes over what arrived and what was decided; whether they hold; and their signed head."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from ledgersafe.console.fields import cursor, section_field, show_paging
from ledgersafe.console.parts.on_request import SECONDS, on_request
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Code, Number, show_table
from ledgersafe.console.words import count, moment

SEALS, HEAD = "Seals", "Signed head"
_KINDS = {"Arrivals": "arrivals", "Audit log": "audit"}
_PAGE = 50
_HASH = 16


def show_seals(screen: Screen) -> None:
    """One page of a chain, and the button that makes every hash anew."""
    tenant = screen.one_tenant()
    st.caption(
        "Each seal holds a hash over everything that came since the one before it, and the hash of that one. Who "
        "changes, takes away or slips in an old row breaks the chain from there on."
    )
    _show_checks(screen, tenant)
    st.subheader("The chain")
    kind = section_field("Of", "chain", _KINDS, label_is_shown=True)
    asked = {"kind": _KINDS[kind], "cursor": cursor(), "limit": _PAGE}
    answer = screen.get("/v1/seals", asked)
    heads = ("Seal", "Rows", "Batches", "Sealed (UTC)", "Swept until (UTC)", "Hash", "Hash before")
    rows = [_seal(one) for one in answer["items"]]
    empty = "There is no seal yet. The worker makes one within a minute of the first row: `ledgersafe work` must run."
    show_table(heads, rows, empty=empty, name="Seals")
    show_paging(screen, "audit", answer, {"records": SEALS, "chain": kind})


def _seal(one: Mapping[str, Any]) -> list[Cell]:
    return [
        Number(count(one["number"])),
        Number(count(one["rows"])),
        Number(count(one["batches"])),
        moment(one["sealed_at"]),
        moment(one["swept_until"]),
        Code(one["seal_hash"]),
        Code(f"{one['previous_hash'][:_HASH]}…"),
    ]


def _show_checks(screen: Screen, tenant: str) -> None:
    command = f"ledgersafe verify --seals --tenant {tenant}"

    def ask() -> Any:
        return screen.client.get("/v1/seals/verify", {"tenant_id": tenant}, seconds=SECONDS)

    got = on_request(screen, "seals", "Check all seals now", command, ask)
    if got is None:
        return
    answer, at = got
    when = moment(at.isoformat())
    if answer["ok"]:
        st.success(f"The seals hold, {when} UTC: every hash was made anew from the rows and bodies as they are now.")
    else:
        st.error(f"The seals do not hold, {when} UTC: something was changed. What it is stands below.")
    heads = ("", "Seals of", "Seals", "Rows", "Not sealed yet", "Redacted", "Faults")
    rows = [_chain(one) for one in answer["chains"]]
    show_table(heads, rows, empty="There is nothing to seal yet.", name="Chains")
    faults = [_fault(chain, fault) for chain in answer["chains"] for fault in chain["faults"]]
    if faults:
        show_table(("Seals of", "Fault", "What", "Seal", "Row"), faults, empty="", name="Faults of seals")


def _chain(one: Mapping[str, Any]) -> list[Cell]:
    figures = (one["seals"], one["rows"], one["pending"], one["redacted_count"], one["fault_count"])
    verdict = Badge("holds", "good") if one["ok"] else Badge("broken", "bad")
    return [verdict, one["kind"], *(Number(count(figure)) for figure in figures)]


def _fault(chain: Mapping[str, Any], fault: Mapping[str, Any]) -> list[Cell]:
    row = None if fault["row_id"] is None else Code(fault["row_id"])
    return [chain["kind"], Code(fault["name"]), fault["message"], Number(count(fault["seal"])), row]


def show_head(screen: Screen) -> None:
    """The newest seal of each chain, signed: to be kept elsewhere."""
    tenant = screen.one_tenant()
    found = screen.get("/v1/seals/head")
    st.markdown(
        "The newest seal of each chain, signed with this installation's key. Keep it where nobody who runs this "
        "installation can write: whoever rewrites the chains cannot rewrite it. Later, "
        "`ledgersafe verify --seals --head FILE` holds the chains against it."
    )
    stated = found["statement"]
    rows: list[list[Cell]] = [
        [one["kind"], Number(count(one["number"])), moment(one["sealed_at"]), Code(one["seal_hash"])]
        for one in stated["seals"]
    ]
    empty = "Nothing is sealed yet. The worker makes a first seal within a minute of the first row."
    show_table(("Seals of", "Seal", "Sealed (UTC)", "Hash"), rows, empty=empty, name="Signed head")
    st.caption(f"Signed {moment(stated['made_at'])} UTC (JWS, Ed25519).")
    left, right, _ = st.columns([1, 1, 2])
    left.download_button("Download the head", found["jws"] + "\n", f"head-{tenant}.jws", "application/jose")
    key = json.dumps(found["public_key"], indent=2) + "\n"
    right.download_button("Download the public key", key, "seal-key.public.json", "application/json")
    st.code(found["jws"], language=None, wrap_lines=True)
