"""What an operator was shown of a decision on many: kept until they look again, for nothing else may be decided on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import streamlit as st

from ledgersafe.client.api import ApiProblem
from ledgersafe.console.parts.effects import Preview, preview
from ledgersafe.console.screen import Screen
from ledgersafe.console.words import amount, plural

_TRIED = 5
_LOOKED, _WAS = "bulk-looked-at", "bulk-was"
_PATH = "/v1/exceptions:resolve"
_NOTES_OF_PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Looked:
    """A plan as it is shown. `asked`: filter and wish; `tried`: its first few, tried out; `at`: when, in UTC.

    `is_new`: nobody has seen it yet. `was`: how many there were before, and worth what, where that has changed.
    """

    asked: Mapping[str, Any]
    plan: Mapping[str, Any]
    tried: Sequence[Preview]
    at: datetime
    was: str | None
    is_new: bool

    def about(self) -> str:
        """How many, and what they come to."""
        return f"{plural(self.plan['count'], 'open exception')}, {worth(self.plan)}"

    def content(self) -> dict[str, Any]:
        """What the API is to be asked for: this and nothing else."""
        return {**self.asked, "plan": self.plan["plan"]}

    def holds_locked(self) -> bool:
        """Whether some of what is known of it lies in a closed month."""
        held = any(one["reason_code"] == "PERIOD_LOCKED" for one in self.plan["sample"])
        return held or any(tried.wants_open_day() for tried in self.tried)


def look(screen: Screen, asked: dict[str, Any]) -> Looked:
    """The plan that this browser's tab has shown for the same question; else a new one, tried out."""
    held: Looked | None = st.session_state.get(_LOOKED)
    if held is not None and repr(held.asked) == repr(asked):  # as values, 1, 1.0 and true would be the same
        return held
    plan = screen.client.post(_PATH, {**asked, "resolution_notes": _NOTES_OF_PLAN, "dry_run": True})
    single = {"canonical_raw_id" if name == "canonical" else name: one for name, one in asked.items()}
    del single["filter"]
    tried = [preview(screen, one["exception_id"], single) for one in plan["sample"][:_TRIED]]
    return Looked(asked, plan, tried, screen.now, st.session_state.get(_WAS), is_new=True)


def keep(looked: Looked) -> None:
    """It stands on the page now: from here on it is what the operator looks at."""
    st.session_state.pop(_WAS, None)
    st.session_state[_LOOKED] = Looked(looked.asked, looked.plan, looked.tried, looked.at, looked.was, is_new=False)


def forget() -> None:
    """The next look is a new one."""
    st.session_state.pop(_LOOKED, None)
    st.session_state.pop(_WAS, None)


def has_changed(looked: Looked) -> None:
    """The same, and the new one is shown with what was there before."""
    forget()
    st.session_state[_WAS] = looked.about()


def is_still_so(screen: Screen, looked: Looked) -> bool:
    """Whether what was shown is there yet, with the payloads that it had. Raises ApiError for any other trouble."""
    try:
        screen.client.post(_PATH, {**looked.content(), "resolution_notes": _NOTES_OF_PLAN, "dry_run": True})
    except ApiProblem as problem:
        if problem.reason_code != CHANGED:
            raise
        return False
    return True


CHANGED = "PLAN_CHANGED"


def worth(plan: Mapping[str, Any]) -> str:
    """What they come to, by currency; in most cases there is one."""
    known = [one for one in plan["at_stake"] if one["amount"] is not None]
    sums = [amount(one["amount"], one["currency"] or "without a currency") for one in known]
    unknown = sum(one["exceptions"] for one in plan["at_stake"] if one["amount"] is None)
    some = f"; {plural(unknown, 'of them says', 'of them say')} no amount" if unknown and sums else ""
    return f"worth {', '.join(sums)}{some}" if sums else "whose amounts are not known"
