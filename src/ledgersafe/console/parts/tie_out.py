"""The tie-out: that bronze, silver, ledger and gold say the same, day by day; and, on request, every check there is."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from ledgersafe.console.fields import cursor, section_field, show_paging, text_field
from ledgersafe.console.parts.day_range import DayRange, day_range, last_day, show_range
from ledgersafe.console.parts.on_request import SECONDS, on_request
from ledgersafe.console.screen import Screen
from ledgersafe.console.table import Badge, Cell, Code, Link, Number, show_table
from ledgersafe.console.words import amount, count, moment, plural

SECTION = "Tie-out"
MEASURES = ("gross", "returns", "discounts", "tax", "net")
_EVENTS = ("arrived", "posted", "parked", "waiting", "ignored")
_PAGE = 100
_MOST_DAYS = 31


def show(screen: Screen) -> None:
    """Days first, then the button that checks all."""
    left, middle, right = st.columns(3)
    with left:
        store = text_field("Store", "store", placeholder="all", is_id=True)
    days = day_range(screen, middle, right)
    show_range(screen, days, SECTION, {"store": store})
    if days.months:
        _show_days(screen, store, days)
    else:
        st.info("Nothing is posted yet: there is nothing to hold against anything. See Health for what has arrived.")
    _show_checks(screen)


def _show_days(screen: Screen, store: str | None, days: DayRange) -> None:
    since = days.since or days.months[0]
    until = days.until or last_day(days.months[-1])
    stores = 1 if store else max(1, screen.client.get(f"/v1/tenants/{screen.one_tenant()}")["stores"])
    at_once = max(1, min(_MOST_DAYS, _PAGE // stores))
    bounds = {"since": since.isoformat(), "until": until.isoformat()}
    answer = screen.get("/v1/reconciliation", {"store_id": store, **bounds, "cursor": cursor(), "limit": at_once})
    found: Sequence[Mapping[str, Any]] = answer["items"]
    st.subheader("Day by day")
    if found:
        _show_verdict(found, answer)
    name = _measure()
    sides = _sides(found)
    heads = ("Books date", "Store", "", *(word.capitalize() for word in _EVENTS), "Currency", *sides.values())
    first_off = sorted(found, key=lambda day: day["ok"]) if len(found) > _PAGE else found
    rows = [row for day in first_off[:_PAGE] for row in _rows(screen, day, name.lower(), list(sides))]
    empty = f"Nothing came for {answer['since']} to {answer['until']}. Go on to other days, or clear the store."
    show_table(heads, rows, empty=empty, name="Tie-out by day")
    if len(found) > _PAGE:
        st.caption(f"{_PAGE} of {len(found):,} rows, those first that do not tie out. Name a store to see all of it.")
    _show_differences(found)
    show_paging(screen, "ledger", answer, {"section": SECTION, "store": store, **days.address()})


_SIDES = {"lines": "Silver (lines)", "accounts": "Ledger", "gold": "Gold", "pending": "Gold, pending"}
"""Where a sum is read → what it is called."""


def _measure() -> str:
    options = [name.capitalize() for name in MEASURES]
    return section_field("Sums shown", "measure", options, default="Net", label_is_shown=True)


def _show_verdict(found: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> None:
    off = [day for day in found if not day["ok"]]
    span = f"{answer['since']} to {answer['until']}"
    if off:
        st.error(f"{len(off)} of {plural(len(found), 'store day')} ({span}) do not tie out: see the differences below.")
        return
    st.success(
        f"{plural(len(found), 'store day')} ({span}): what arrived is posted, parked, waiting or ignored, and the "
        "lines, the ledger and gold say the same to the last digit."
    )


def _sides(found: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """What is pending only where something is."""
    sums = [one["pending"] for day in found for one in day["sums"]]
    is_pending = any(Decimal(pending[name]) for pending in sums for name in MEASURES)
    return {side: name for side, name in _SIDES.items() if side != "pending" or is_pending}


def _rows(screen: Screen, day: Mapping[str, Any], measure: str, sides: Sequence[str]) -> list[list[Cell]]:
    """A row a currency; what is of the whole day stands in its first."""
    first: list[Cell] = [
        day["books_date"],
        Link(day["store_id"], screen.link("ledger", section=SECTION, store=day["store_id"])),
        Badge("equal", "good") if day["ok"] else Badge("off", "bad"),
        *(Number(count(day["events"][name])) for name in _EVENTS),
    ]
    rows = [[one["currency"], *(Number(amount(one[side][measure])) for side in sides)] for one in day["sums"]]
    listed: list[list[Cell]] = [list(row) for row in rows] or [[None] * (1 + len(sides))]
    blank: list[Cell] = [None] * len(first)
    return [[*(first if number == 0 else blank), *row] for number, row in enumerate(listed)]


def _show_differences(found: Iterable[Mapping[str, Any]]) -> None:
    """Every sum that is not the same everywhere, with all its sides."""
    rows = [row for day in found for row in _differences(day)]
    if not rows:
        return
    st.subheader("What is not equal")
    heads = (
        "Books date",
        "Store",
        "What",
        "Silver (lines)",
        "Ledger",
        "Gold",
        "Gold, pending",
        "Ledger off",
        "Gold off",
    )
    show_table(heads, rows[:_PAGE], empty="", name="Differences")
    st.caption(
        "“Off” is how much more it is than the lines. `ledgersafe verify` names the rows; the runbook says what to do."
    )


def _differences(day: Mapping[str, Any]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    events = day["events"]
    told = sum(int(events[name]) for name in _EVENTS[1:])
    if int(events["arrived"]) != told:
        sides = [Number(f"{told:,} accounted for"), *[Number("")] * 5]
        rows.append([day["books_date"], day["store_id"], f"events: {events['arrived']:,} arrived", *sides])
    for one in day["sums"]:
        for name in () if one["ok"] else MEASURES:
            sides = [one[side][name] for side in (*_SIDES, "off_in_accounts", "off_in_gold")]
            if any(Decimal(text) for text in sides[-2:]):
                figures = [Number(amount(text)) for text in sides]
                rows.append([day["books_date"], day["store_id"], f"{name}, {one['currency']}", *figures])
    return rows


def _show_checks(screen: Screen) -> None:
    st.subheader("Everything, all days")
    st.caption("Every check there is, over all that this tenant ever sent: counts, references, balance, sums.")
    tenant = screen.one_tenant()
    command = f"ledgersafe verify --tenant {tenant}"

    def ask() -> Any:
        return screen.client.get("/v1/verify", {"tenant_id": tenant}, seconds=SECONDS)

    got = on_request(screen, "verify", "Check everything now", command, ask)
    if got is None:
        return
    answer, at = got
    checks = [check for one in answer["tenants"] for check in one["checks"]]
    off = [check for check in checks if not check["ok"]]
    when = moment(at.isoformat())
    if off:
        st.error(
            f"{len(off)} of {len(checks)} checks are off, {when} UTC. They stand first; the runbook says what to do."
        )
    else:
        st.success(f"All {len(checks)} checks hold, {when} UTC.")
    rows = [_check(check) for check in sorted(checks, key=lambda check: check["ok"])]
    show_table(("", "What is held against what", "Left", "Right", "Check"), rows, empty="", name="Checks")


def _check(check: Mapping[str, Any]) -> list[Cell]:
    verdict = Badge("equal", "good") if check["ok"] else Badge("off", "bad")
    sides = [Number(amount(str(check[side]))) for side in ("left", "right")]
    return [verdict, check["details"], *sides, Code(check["name"])]
