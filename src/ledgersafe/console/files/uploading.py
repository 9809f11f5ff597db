"""Sending files from a browser: how far it is, and what became of each. The same bytes again are told kindly."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, Protocol, cast

import streamlit as st

from ledgersafe.client.api import ApiError
from ledgersafe.console.files.states import AT_WORK, needs_one_tenant, sentence, size, state_badge
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Link, Number, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import count, literal, moment

_AT_ONCE = 1 << 20
_SENT = "files_sent"
_LOOKS_AGAIN_SECONDS = 1.0
_NAME = "1 to 40 of a-z, 0-9 and _, beginning with a letter"


class _File(Protocol):
    """A file that the browser has handed over."""

    name: str
    size: int

    def getbuffer(self) -> memoryview: ...


def show_upload(screen: Screen, datasets: Sequence[str]) -> None:
    """The form, and what became of what was sent with it."""
    if not screen.who.may("ingest"):
        st.info("Your key may look, and not send files: that needs the scope *ingest*.")
        return
    tenant = _tenant(screen)
    left, right = st.columns(2)
    dataset = left.selectbox(
        "Dataset",
        datasets,
        index=0 if len(datasets) == 1 else None,
        accept_new_options=True,
        placeholder="Choose one, or type the name of a new one",
        help=f"Whose contract the file is held against. A new one: {_NAME}.",
        key="upload_dataset",
    )
    source = right.text_input("Where it comes from (optional)", max_chars=255, key="upload_source")
    files = st.file_uploader(
        "Files (CSV, TSV, JSON, NDJSON, Parquet or XLSX, plain or packed with gzip or zstd)",
        accept_multiple_files=True,
        help="Larger files: ledgersafe files ingest FILE --dataset NAME",
        key="upload_files",
    )
    if dataset and dataset not in datasets:
        st.info(
            f"**{literal(dataset)}** is new: without a contract its files are kept, and nothing of them is loaded. "
            f"Name it as {_NAME}; the page of the new dataset helps with its contract."
        )
    is_ready = bool(dataset and files and (tenant or screen.who.tenant_ids))
    if st.button("Send", type="primary", disabled=not is_ready):
        wish = {"dataset": dataset, "source": source.strip() or None, "tenant_id": tenant}
        st.session_state[_SENT] = _send(screen, cast("Sequence[_File]", files), wish)
    elif not is_ready:
        st.caption("Choose a dataset and a file: then it can be sent.")
    _show_sent(screen, tenant)


def _tenant(screen: Screen) -> str | None:
    """Whose files these are; where there is no tenant yet, its name is asked for."""
    if screen.tenants or screen.who.tenant_ids is not None:
        needs_one_tenant(screen)
        return screen.tenant
    typed = st.text_input("Tenant", max_chars=255, key="upload_tenant", help="Whose files these are, such as my_shop.")
    st.caption("There is no tenant yet: the first file makes one of this name.")
    return typed.strip() or None


def _send(screen: Screen, files: Sequence[_File], wish: dict[str, str | None]) -> list[dict[str, Any]]:
    """The API's answers. What goes wrong with one file is told there, and does not keep the others."""
    answers: list[dict[str, Any]] = []
    for file in files:
        bar = st.progress(0.0, f"{literal(file.name)}: 0 of {size(file.size)}")
        try:
            pieces = _pieces(file, bar)
            answers.append(screen.client.upload("/v1/ingestions", pieces, file.size, wish | {"filename": file.name}))
        except ApiError as error:
            st.markdown(f"**{literal(file.name)}** was not taken:")
            show_trouble(error)
        bar.empty()
    return answers


def _pieces(file: _File, bar: Any) -> Iterator[bytes]:
    whole, opened = file.size, BytesIO(file.getbuffer())
    while data := opened.read(_AT_ONCE):
        yield data
        sent = opened.tell()
        told = f"{size(sent)} of {size(whole)}" if sent < whole else "all sent, being kept for good"
        bar.progress(sent / whole, f"{literal(file.name)}: {told}")


def _show_sent(screen: Screen, tenant: str | None) -> None:
    answers = cast("list[dict[str, Any]]", st.session_state.get(_SENT, []))
    for answer in answers:
        if answer["duplicate"]:
            _tell_duplicate(answer)
    if any(answer["ingestion"]["status"] in AT_WORK for answer in answers):
        _follow(screen, tenant, answers)
    elif answers:
        _show_answers(screen, tenant, answers)


def _tell_duplicate(answer: dict[str, Any]) -> None:
    was = answer["ingestion"]
    came = f"exactly these bytes came on {moment(was['received_at'])} UTC from {literal(was['received_by'])}."
    told = literal(answer["detail"]) if answer["detail"] else "Nothing is loaded twice; this is the delivery of then:"
    st.info(f"**{literal(was['filename'])}** is known: {came} {told}")


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _follow(screen: Screen, tenant: str | None, answers: list[dict[str, Any]]) -> None:
    """What becomes of them, until all have ended."""
    at_work = [answer for answer in answers if answer["ingestion"]["status"] in AT_WORK]
    try:
        for answer in at_work:
            path = f"/v1/ingestions/{answer['ingestion']['ingestion_id']}"
            answer["ingestion"] = screen.client.get(path, {"tenant_id": tenant})
    except ApiError as error:
        show_trouble(error)
    _show_answers(screen, tenant, answers)
    if all(answer["ingestion"]["status"] not in AT_WORK for answer in answers):
        st.rerun()


def _show_answers(screen: Screen, tenant: str | None, answers: list[dict[str, Any]]) -> None:
    rows = [_row(screen, tenant, answer) for answer in answers]
    show_table(("File", "State", "What became of it", "Rows loaded", "Rows held"), rows, empty="", name="Sent now")


def _row(screen: Screen, tenant: str | None, answer: dict[str, Any]) -> tuple[Link | Badge | Number | str, ...]:
    of = answer["ingestion"]
    where = screen.link("delivery", tenant=tenant, id=of["ingestion_id"])
    held = str(of["detail"] or "") if of["status"] == "quarantined" else ""
    told = f"{sentence(of)} {held}".strip()
    return (
        Link(of["filename"], where),
        state_badge(of),
        told,
        Number(count(of["rows_ok"])),
        Number(count(of["rows_bad"])),
    )
