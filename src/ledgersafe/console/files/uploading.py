"""Sending files from a browser: how far it is, and what became of each. The same bytes again are told kindly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal, Protocol, cast

import streamlit as st

from ledgersafe.client.api import ApiError, ApiProblem
from ledgersafe.console.files.links import show_links
from ledgersafe.console.files.states import AT_WORK, needs_one_tenant, sentence, size, state_badge
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Link, Number, show_table
from ledgersafe.console.trouble import show_trouble
from ledgersafe.console.words import count, literal, moment

_AT_ONCE = 1 << 20
_SENT = "files_sent"
_LOOKS_AGAIN_SECONDS = 1.0
_MAY_BE_DONE = 500
"""From this status on an answer tells that something failed, and not that nothing was done."""
_NAME = "1 to 40 of a-z, 0-9 and _, beginning with a letter"


class _File(Protocol):
    """A file that the browser has handed over."""

    name: str
    size: int

    def getbuffer(self) -> memoryview: ...


@dataclass(slots=True)
class _Sent:
    """What became of a file that was to be sent. It is kept before it is sent: a page may run anew in between.

    waits: nothing of it was sent. unknown: no answer came, and it may be taken. refused: it was not taken. taken:
    `answer` is the API's. `error`: why not. `is_under_way`: a run that was overtaken by another still waits for it.
    """

    name: str
    became: Literal["waits", "unknown", "refused", "taken"] = "waits"
    answer: dict[str, Any] | None = None
    error: ApiError | None = None
    is_under_way: bool = False


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
        _send(screen, cast("Sequence[_File]", files), wish)
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


def _send(screen: Screen, files: Sequence[_File], wish: dict[str, str | None]) -> None:
    """What becomes of each is kept at once. What goes wrong with one file does not keep the others."""
    kept = [_Sent(file.name) for file in files]
    st.session_state[_SENT] = kept
    for file, sent in zip(files, kept, strict=True):
        bar = st.progress(0.0, f"{literal(file.name)}: 0 of {size(file.size)}")
        sent.is_under_way = True
        try:
            pieces = _pieces(file, bar, sent)
            sent.answer = screen.client.upload("/v1/ingestions", pieces, file.size, wish | {"filename": file.name})
            sent.became = "taken"
        except ApiError as error:
            sent.error = error
            if isinstance(error, ApiProblem) and error.status < _MAY_BE_DONE:
                sent.became = "refused"
        finally:
            sent.is_under_way = False
        bar.empty()


def _pieces(file: _File, bar: Any, becomes: _Sent) -> Iterator[bytes]:
    """From the first of them on, nobody here knows what the API has, until it answers."""
    becomes.became = "unknown"
    whole, opened = file.size, BytesIO(file.getbuffer())
    while data := opened.read(_AT_ONCE):
        yield data
        sent = opened.tell()
        told = f"{size(sent)} of {size(whole)}" if sent < whole else "all sent, being kept for good"
        bar.progress(sent / whole, f"{literal(file.name)}: {told}")


def _show_sent(screen: Screen, tenant: str | None) -> None:
    sent = cast("list[_Sent]", st.session_state.get(_SENT, []))
    if any(one.is_under_way for one in sent):
        _await(sent)
        return
    _tell_lost(screen, tenant, sent)
    answers = [one.answer for one in sent if one.answer is not None]
    for answer in answers:
        if answer["duplicate"]:
            _tell_duplicate(answer)
    if any(answer["ingestion"]["status"] in AT_WORK for answer in answers):
        _follow(screen, tenant, answers)
    elif answers:
        _show_answers(screen, tenant, answers)


@st.fragment(run_every=_LOOKS_AGAIN_SECONDS)
def _await(sent: Sequence[_Sent]) -> None:
    """The page went on while it sent a file: it waits here for what becomes of that."""
    names = [literal(one.name) for one in sent if one.is_under_way]
    if not names:
        st.rerun()
    st.info(f"**{', '.join(names)}** is being sent. This page looks again by itself.")


def _tell_lost(screen: Screen, tenant: str | None, sent: Sequence[_Sent]) -> None:
    """Of which files no delivery is known here, and why."""
    for one in sent:
        if one.became == "unknown":
            st.warning(
                f"**{literal(one.name)}**: no answer came{_because(one.error)}. It may be taken or not. Send it again: "
                "the same bytes are not loaded twice. If it was taken, it is among the deliveries."
            )
        elif one.error is not None:
            st.markdown(f"**{literal(one.name)}** was not taken:")
            show_trouble(one.error)
        elif one.became == "waits":
            st.warning(f"**{literal(one.name)}** was not sent: the page was changed meanwhile. Send it again.")
    if any(one.became == "unknown" for one in sent):
        show_links({"To the deliveries": screen.link("files", tenant=tenant)}, name="Way on")


def _because(error: ApiError | None) -> str:
    """In brackets; nothing where it is only that this page went on."""
    if error is None:
        return ""
    told = error.detail if isinstance(error, ApiProblem) else error.message
    return f" ({literal(told.rstrip('.'))})"


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
