"""A dataset's contract: its versions, what each changed, and the way to put another one in force."""

from collections.abc import Sequence
from difflib import unified_diff
from typing import Any, cast

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.fields import choice_field, cursor, show_paging
from ledgersafe.console.files.deciding import Decision, ask
from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.members import Members, listed, members
from ledgersafe.console.parts.actors import called
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Cell, Lines, Link, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import literal, moment, plural
from ledgersafe.kernel.strict_yaml import NotYamlError, read_yaml, write_yaml

_ROWS_A_PAGE = 50
_FIRST = """\
dataset: {name}
kind: table
primary_key: [ID]
columns:
  ID:
    type: string
    required: true
  Amount:
    type: decimal(18,2)
drift_policy: warn
"""


def show_contract(screen: Screen, dataset: str, latest: Members | None) -> None:
    """The version that the address names, what differs from another one, and all versions."""
    if latest is None:
        st.info(
            f"There is no contract yet, so nothing of files of *{literal(dataset)}* is loaded; they are kept. "
            "Choose *Change* above to put a first one in force."
        )
        return
    versions = [str(number) for number in range(latest["version"], 0, -1)]
    left, right = st.columns(2)
    with left:
        chosen = choice_field("Version", "version", versions[1:], any_is=versions[0]) or versions[0]
    with right:
        other = choice_field("Compare it with", "against", versions, any_is="Nothing")
    shown = latest if chosen == versions[0] else _version(screen, dataset, chosen)
    told = f"Version {shown['version']}, put in force on {moment(shown['put_at'])} UTC by {literal(shown['put_by'])}"
    st.caption(f"{told}: {literal(shown['notes'])}" if shown["notes"] else f"{told}.")
    if other is None:
        st.code(write_yaml(shown["contract"]), language="yaml")
    else:
        _show_differences(_version(screen, dataset, other), shown)
    _show_versions(screen, dataset)


def _version(screen: Screen, dataset: str, version: str) -> Members:
    return members(screen.get(f"/v1/datasets/{dataset}/contract", {"version": version}))


def _show_differences(old: Members, new: Members) -> None:
    lines = _differences(write_yaml(old["contract"]), write_yaml(new["contract"]))
    if lines:
        st.caption(f"Lines with − are of version {old['version']}, those with + of version {new['version']}.")
        st.code(lines, language="diff")
    else:
        st.info("The two say the same.")


def _differences(old: str, new: str) -> str:
    """The lines that differ, with those around them."""
    return "\n".join(list(unified_diff(old.splitlines(), new.splitlines(), n=3, lineterm=""))[2:])


def _show_versions(screen: Screen, dataset: str) -> None:
    st.subheader("Versions", anchor=False)
    wanted = {"object_type": "contract", "object_id": dataset, "action": "contract.put", "order": "latest"}
    page = screen.get("/v1/audit", {**wanted, "cursor": cursor(), "limit": _ROWS_A_PAGE})
    show_table(
        ("Version", "Since (UTC)", "By", "Why", "What it changed"),
        [_version_cells(screen, dataset, entry) for entry in page["items"]],
        empty="The audit log names no version of it here.",
        name="Versions",
    )
    show_paging(screen, "dataset", page, {"name": dataset, "tab": "Contract"})


def _version_cells(screen: Screen, dataset: str, entry: Members) -> tuple[Cell, ...]:
    after, version = members(entry["after_json"]), str(members(entry["after_json"]).get("version", ""))
    before = members(entry["before_json"]).get("version")
    where = screen.link("dataset", name=dataset, version=version, against=str(before) if before else None)
    changes = cast("Sequence[str]", after.get("changes") or ())
    told: Cell = Lines(tuple(map(str, changes))) if changes else (None if before else "the first one")
    return Link(version, where), moment(entry["occurred_at"]), called(screen, entry["actor"]), entry["notes"], told


def show_change(screen: Screen, dataset: str, latest: Members | None) -> None:
    """A contract is written, checked, and put in force."""
    if not screen.who.may("admin"):
        st.info("Your key may look, and not put contracts: that needs the scope *admin*.")
        return
    st.markdown(
        "A contract says what a valid file is. `ledgersafe contracts infer FILE --dataset "
        f"{dataset}` writes a first one from a file: read it, correct it, and paste it here."
    )
    version = 0 if latest is None else latest["version"]
    begun = _FIRST.format(name=dataset) if latest is None else write_yaml(latest["contract"])
    key = f"contract:{screen.tenant}:{dataset}:{version}"
    text = st.text_area("Contract (YAML)", begun, height=380, key=key)
    with st.container(horizontal=True):
        is_checked = st.button("Check it", key="check")
        is_put = st.button("Put it in force…", type="primary", key="put", disabled=text == begun and latest is not None)
    if not (is_checked or is_put):
        return
    try:
        contract = _checked(screen, text)
    except ApiError as error:
        show_trouble(error)
        return
    if contract is None:
        return
    differences = _differences(begun, write_yaml(contract)) if latest is not None else ""
    if is_checked:
        st.success("It can be used.")
        if differences:
            st.code(differences, language="diff")
        return
    _ask_to_put(screen, dataset, contract, version)


def _checked(screen: Screen, text: str) -> dict[str, Any] | None:
    """The contract as JSON; None, and why, where it cannot be used. Raises ApiError."""
    try:
        read = read_yaml(text)
    except NotYamlError as error:
        st.error(f"It is no YAML: {literal(error)}")
        return None
    if not isinstance(read, dict):
        st.error("A contract is an object: `dataset: NAME`, `columns: …`.")
        return None
    contract = cast("dict[str, Any]", read)
    answer = screen.client.post("/v1/contracts/validate", contract)
    if answer["ok"]:
        return contract
    st.error("It cannot be used:")
    rows = [(fault["path"], fault["message"]) for fault in listed(answer["faults"])]
    show_table(("Where", "What is wrong"), rows, empty="It cannot be used.", name="Faults of the contract")
    return None


def _ask_to_put(screen: Screen, dataset: str, contract: dict[str, Any], version: int) -> None:
    means = (
        f"It becomes version {version + 1}, and every file that is worked through from then on is held against it. "
        "Version by version, all stay on record."
    )

    def act(notes: str) -> str:
        wanted = {"tenant_id": screen.tenant, "notes": notes[:1000]}
        put = screen.client.send("PUT", f"/v1/datasets/{dataset}/contract", contract, wanted)
        if not put["changed"]:
            return "It says the same as the version in force: nothing was changed."
        lines = [f"- {one['level']} {literal(one['path'])}: {literal(one['message'])}" for one in put["changes"]]
        return "\n".join([f"Version {put['contract']['version']} is in force now.", "", *lines])

    ask(Decision("put", "Put this contract in force", means, "Put it in force", act))


def show_held(screen: Screen, dataset: str, known: Members | None) -> None:
    """The way to deliveries that wait for a person."""
    if known is None or not known["quarantined"]:
        return
    held = plural(known["quarantined"], "delivery of it is", "deliveries of it are")
    st.warning(f"{held} held: nothing of that is loaded until a person decides.")
    ways = {"Those quarantined": screen.link("files", dataset=dataset, state="quarantined")}
    show_links(ways | {"Those failed": screen.link("files", dataset=dataset, state="failed")}, name="Held deliveries")
