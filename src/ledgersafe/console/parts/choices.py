"""What an operator can decide of a parked event, in plain words: by its reason, and by what stands in it. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from ledgersafe.console.parts.patches import patch_between
from ledgersafe.console.words import amount

REPLAY = "override_and_replay"
IGNORE = "mark_resolved_no_replay"
_NATIVE = frozenset({"native", "file"})
_MEANS = {"SALE": "goods went out and money came in", "RETURN": "goods came back and money went out"}
_OTHER = {"SALE": "RETURN", "RETURN": "SALE"}
_SIGNED = ("total_amount", "discount_amount", "tax_amount")
_OF_LINE = ("qty", "amount", "unit_price", "discount", "tax")
_OF_TENDER = ("amount", "change")
_ZERO = Decimal(0)
_LOCKED = "PERIOD_LOCKED"
_PLAIN = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to decide. `name`: in the address. `canonical`: which payload counts. `by_hand`: the patch is typed.

    `on_open_day`: it is booked on a day that the operator chooses, for its own lies in a closed month.
    """

    name: str
    title: str
    meaning: str
    action: str = REPLAY
    canonical: str | None = None
    patch: Mapping[str, Any] | None = None
    by_hand: bool = False
    on_open_day: bool = False

    def wish(self) -> dict[str, Any]:
        """As the API wants it, without notes and day."""
        return {
            "action": self.action,
            "canonical_raw_id": self.canonical,
            "override_patch": None if self.patch is None else dict(self.patch),
        }


def choices(answer: Mapping[str, Any]) -> list[Choice]:
    """All that can be decided of an open exception (the API's answer about it), the likeliest first."""
    payloads: Sequence[Mapping[str, Any]] = answer["payloads"]
    if len(payloads) > 1:
        return [*_one_of(payloads, answer), _by_hand(), _let_go(several=True)]
    event, codes = native_event(answer["first_raw_event"]), _codes(answer)
    mended = [] if event is None else list(_mended(event, answer, codes))
    plain = [_by_hand(), _as_it_is()] if _LOCKED not in codes else [_as_it_is(), _by_hand()]
    total = [] if event is None or "TOTALS_MISMATCH" not in codes else list(_with_total_of_lines(event))
    return [*mended, *plain, _let_go(several=False), *total]


def on_open_day(choice: Choice) -> Choice:
    """The same, booked on a day of an open month."""
    title = "Book it on an open day" if choice == _as_it_is() else f"{choice.title}, booked on an open day"
    meaning = "Its month is closed: it is booked on the day that you choose. Its own date stays with it."
    return replace(choice, name=f"{choice.name}-open-day", title=title, meaning=meaning, on_open_day=True)


def _codes(answer: Mapping[str, Any]) -> set[str]:
    """Every reason that was found."""
    exception = answer["exception"]
    return {exception["reason_code"], *(fault["reason_code"] for fault in exception["details_json"])}


def native_event(arrival: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event of an arrival, where it came as one; None where a door made it of something else."""
    body = arrival["payload_json"]
    return cast("dict[str, Any]", body) if arrival["door"] in _NATIVE and isinstance(body, dict) else None


def total_of(event: Event) -> str | None:
    """What an event says it comes to; None where that is no number."""
    total = _number(event.get("total_amount"))
    return None if total is None else format(total, "f")


def payload_names(answer: Mapping[str, Any]) -> dict[str, str]:
    """What each payload of a key is called, by raw_id, in the order in which they came."""
    first, last = answer["first_raw_event"]["raw_id"], answer["last_raw_event"]["raw_id"]
    ids = sorted(payload["raw_id"] for payload in answer["payloads"])
    names = {raw_id: f"Payload {number}" for number, raw_id in enumerate(ids, 1)}
    return names | {last: "LAST"} | {first: "FIRST"}


def _one_of(payloads: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> Iterator[Choice]:
    names = payload_names(answer)
    counts = {one["raw_id"] for one in payloads if one["decision"].endswith("accepted")}
    order = sorted(names, key=lambda raw_id: (names[raw_id] not in ("FIRST", "LAST"), raw_id))
    for raw_id in order:
        name = names[raw_id]
        now = "It counts already, and goes on counting." if raw_id in counts else "It is to count, and no other does."
        yield Choice(name.lower().replace(" ", "-"), f"{name} counts", now, canonical=raw_id)


def _by_hand() -> Choice:
    return Choice("patch", "Patch it by hand", "You say what is to stand in it; it is checked as you go.", by_hand=True)


def _as_it_is() -> Choice:
    return Choice("replay", "Replay it as it is", "For when the cause is gone: a store set up, an original posted.")


def _let_go(*, several: bool) -> Choice:
    meaning = "It never counts." if not several else "No other payload than what counts now, if any does, ever counts."
    return Choice("ignore", "Let it go", meaning, action=IGNORE)


def _mended(event: Event, answer: Mapping[str, Any], codes: set[str]) -> Iterator[Choice]:
    """Ways that suggest themselves for what is wrong."""
    if "NEGATIVE_AMOUNT" in codes:
        yield from _without_signs(event)
    if "MISSING_REFERENCE" in codes or "CANNOT_EXCEED_ORIGINAL" in codes:
        yield from _on_its_own(event)
    arrived = answer["first_raw_event"]["received_at"]
    yield from (choice for code, choice in _small(arrived).items() if code in codes)


def _small(arrived: str) -> dict[str, Choice]:
    """Patches of one member."""

    def of(name: str, title: str, meaning: str, member: str, value: object) -> Choice:
        return Choice(name, title, meaning, patch={member: value})

    real = "Its mark as simulated goes, and it counts as any other."
    own_day = "Its business_date goes; the store's trading day of occurred_at takes its place."
    clock = "occurred_at becomes the moment at which it arrived here."
    other = "Its source_event_id goes; choose this only if it is not the same sale sent twice."
    return {
        "SUSPECTED_TEST_DATA": of("real", "It is real", real, "simulated", False),
        "BUSINESS_DATE_MISMATCH": of("day", "The day of its own time counts", own_day, "business_date", None),
        "FUTURE_EVENT_TIME": of("clock", "Its clock was wrong", clock, "occurred_at", arrived),
        "DUPLICATE_SOURCE_EVENT_ID": of("other", "It is another event", other, "source_event_id", None),
        "UNSUPPORTED_SCHEMA_VERSION": of(
            "version", "Read it as version 1.0", "Its schema_version becomes 1.0.", "schema_version", "1.0"
        ),
        "VOID_AFTER_CLOSE": of(
            "cancel", "Undo it as a CANCEL", "A CANCEL may come on any later day.", "event_type", "CANCEL"
        ),
    }


def _without_signs(event: Event) -> Iterator[Choice]:
    unsigned, kind = _unsigned(event), event.get("event_type")
    total = _money(unsigned.get("total_amount"), event.get("currency"))
    if kind not in _OTHER:
        yield Choice("unsigned", "Drop the minus signs", "All else stays.", patch=patch_between(event, unsigned))
        return
    turned = patch_between(event, {**unsigned, "event_type": _OTHER[kind]})
    kept = patch_between(event, unsigned)
    yield Choice(
        "turned",
        f"It was a {_OTHER[kind]} of {total}",
        f"A minus sign turns a {kind} around: {_MEANS[_OTHER[kind]]}. Signs go, the type changes.",
        patch=turned,
    )
    meant = f"The minus signs only say once more what {kind} says: {_MEANS[kind]}. Signs go, the type stays."
    yield Choice("unsigned", f"It was a {kind} of {total}", meant, patch=kept)


def _with_total_of_lines(event: Event) -> Iterator[Choice]:
    """Offered after all others: in most cases a line is missing or wrong, and then it would hide that."""
    total = _total_of_lines(event)
    if total is not None and total != _number(event.get("total_amount")):
        told = _money(total, event.get("currency"))
        meaning = (
            "Only if the receipt shows that the lines are right and the total was mistyped: it becomes what lines, "
            "discount, tax and rounding make."
        )
        yield Choice("total", f"The total is {told}", meaning, patch={"total_amount": format(total, "f")})


def _on_its_own(event: Event) -> Iterator[Choice]:
    kind, lines = event.get("event_type"), event.get("line_items")
    if kind not in ("RETURN", "CORRECTION") or not lines:
        return
    gone: dict[str, Any] = {"original_txn_id": None, "original_store_id": None}
    gone = {name: value for name, value in gone.items() if name in event}
    if kind == "RETURN":
        meaning = (
            "It is posted without the name of what it gives back; that it is no more than was sold, nobody checks."
        )
        yield Choice("unreferenced", "A RETURN that names no original", meaning, patch=gone)
    else:
        meaning = "What it says is the whole truth of a sale of its own; choose this only if the original never comes."
        yield Choice("own", "A SALE of its own", meaning, patch=gone | {"event_type": "SALE"})


def _unsigned(event: Event) -> dict[str, Any]:
    """The event without its minus signs."""
    made = dict(event) | {name: _absolute(event[name]) for name in _SIGNED if name in event}
    for holder, names in (("line_items", _OF_LINE), ("tenders", _OF_TENDER)):
        if isinstance(event.get(holder), list):
            made[holder] = [_of_one(one, names) for one in event[holder]]
    return made


def _of_one(one: Any, names: Sequence[str]) -> Any:
    if not isinstance(one, dict):
        return one
    members = cast("dict[str, Any]", one)
    return members | {name: _absolute(members[name]) for name in names if name in members}


def _absolute(value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix("-")
    return abs(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _total_of_lines(event: Event) -> Decimal | None:
    """What the parts of an event make; None where one of them is no number."""
    lines = event.get("line_items")
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in cast("list[Any]", lines)):
        return None
    of = cast("list[dict[str, Any]]", lines)
    included = event.get("tax_included") is True
    taxes = [event["tax_amount"]] if event.get("tax_amount") is not None else [line.get("tax") for line in of]
    added = [line.get("amount") for line in of] + ([] if included else taxes) + [event.get("rounding_amount")]
    numbers = [_number(one, none_is=_ZERO) for one in added]
    less = _number(event.get("discount_amount"), none_is=_ZERO)
    known = [one for one in numbers if one is not None]
    return None if less is None or len(known) < len(numbers) else sum(known, _ZERO) - less


def _number(value: Any, *, none_is: Decimal | None = None) -> Decimal | None:
    """A number as senders write amounts; None for anything else. With an exponent it could be of any length."""
    if value is None:
        return none_is
    text = str(value)
    return Decimal(text) if not isinstance(value, bool) and _PLAIN.fullmatch(text) else None


def _money(value: Any, currency: Any) -> str:
    number = _number(value)
    unit = currency if isinstance(currency, str) else None
    return "the same amount" if number is None else amount(format(number, "f"), unit)
