"""What a decision would do, by a dry run of it: whether it can be made at all, and what it adds to the ledger."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledgersafe.client.api import ApiProblem
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Cell, Code, Number, show_table
from ledgersafe.console.words import amount

_FAULT = re.compile(r"(\S+) (.*?): (.*)", re.DOTALL)
_NOTES_OF_DRY_RUN = "dry run"
_OUTCOMES = {
    "ignored": "It counts nowhere.",
    "dismissed": "What counted before goes on counting.",
    "replayed": "It is accepted.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that speaks against it. `path`: a JSON Pointer into the event, or "" for all of it."""

    code: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """`answer`: of the dry run; None where it was refused, for `refusal` and `faults`."""

    answer: Mapping[str, Any] | None
    refusal: ApiProblem | None = None
    faults: Sequence[Fault] = ()

    @property
    def is_possible(self) -> bool:
        """Whether the decision can be made."""
        return self.answer is not None and not self.faults

    def effect(self) -> Mapping[str, Any]:
        """What it would add to the ledger, as the API tells it."""
        return {} if self.answer is None else self.answer.get("effect") or {}

    def wants_open_day(self) -> bool:
        """Whether nothing but a closed month is in the way, or among what is."""
        return any(fault.code == "PERIOD_LOCKED" for fault in self.faults)


def preview(screen: Screen, exception_id: str, wish: Mapping[str, Any]) -> Preview:
    """Try a decision out. Raises ApiError but for what says that it cannot be made."""
    content = {**wish, "resolution_notes": _NOTES_OF_DRY_RUN, "dry_run": True}
    try:
        answer = screen.client.post(f"/v1/exceptions/{exception_id}/resolve", content)
    except ApiProblem as problem:
        if problem.status in (409, 422) or problem.reason_code == "EVENT_IN_USE":
            return Preview(None, problem, faults_of(problem))
        raise
    effect: Mapping[str, Any] = answer.get("effect") or {}
    return Preview(
        answer, faults=[Fault(one["reason_code"], one["path"], one["message"]) for one in effect.get("faults", ())]
    )


def faults_of(problem: ApiProblem) -> list[Fault]:
    """What a refusal lists; where it lists nothing, what it says."""
    found = [match.groups() for fault in problem.faults if (match := _FAULT.fullmatch(fault))]
    if found:
        return [Fault(*one) for one in found]
    return [Fault(problem.reason_code or f"HTTP {problem.status}", "", problem.detail)]


def in_words(tried: Preview) -> str:
    """One line: what it does to the books, or why it cannot be."""
    effect = tried.effect()
    if tried.answer is None or tried.faults:
        first = tried.faults[0] if tried.faults else None
        more = f", and {len(tried.faults) - 1} more" if len(tried.faults) > 1 else ""
        note: str = effect.get("note") or ""
        return f"Not possible now: {first.message if first else note}{more}."
    done = [_posting(one) for one in effect.get("transactions", ())]
    note = effect.get("note") or ("" if done else _OUTCOMES.get(tried.answer["resolution"] or "", ""))
    return " ".join([*(f"{one}." for one in done), note]).strip()


def show_effect(effect: Mapping[str, Any], name: str) -> None:
    """The entries that it adds, line by line."""
    entries: Sequence[Mapping[str, Any]] = effect.get("entries", ())
    if entries:
        show_entries(entries, name)


def show_entries(entries: Sequence[Mapping[str, Any]], name: str) -> None:
    """Lines of entries; each with its account's name, debit and credit."""
    heads = ("Books date", "Transaction", "", "Account", "Debit", "Credit")
    show_table(heads, [_entry_row(line) for line in entries], empty="No entries.", name=name)


def show_faults(faults: Sequence[Fault], name: str) -> None:
    """Each fault by its place in the event."""
    rows: list[list[Cell]] = [[Code(fault.path or "the event"), fault.message, Code(fault.code)] for fault in faults]
    show_table(("Where", "What is wrong", "Reason"), rows, empty="No fault was found.", name=name)


def _posting(one: Mapping[str, Any]) -> str:
    verb = "Takes back" if one["kind"] == "reversal" else "Posts"
    total = amount(str(one["total"]).removeprefix("-"), one["currency"])
    return f"{verb} a {one['type']} of {total} on {one['books_date']}"


def _entry_row(line: Mapping[str, Any]) -> list[Cell]:
    kind = "taken back" if line["kind"] == "reversal" else "posted"
    account = " ".join(filter(None, (line["account"], line.get("account_name"))))
    sides = [Number(amount(line[side], line["currency"]) if float(line[side]) else "") for side in ("debit", "credit")]
    return [line["books_date"], line["txn_id"], kind, account, *sides]
