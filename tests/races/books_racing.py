"""Events that meet in the books: what each scene sends, and the ends that are right, whoever comes first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.pipeline.posting import Till

Event = dict[str, Any]
EXCEEDS, VOIDED = "CANNOT_EXCEED_ORIGINAL", "ORIGINAL_ALREADY_VOIDED"


@dataclass(frozen=True, slots=True)
class End:
    """What is held at the end, and where the originals stand: (state, revision)."""

    held: dict[str, str] = field(default_factory=dict[str, str])
    states: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])


@dataclass(frozen=True, slots=True)
class Story:
    """What is in the books before, what comes at once, and by name the ends that may come of it."""

    before: list[Event]
    rivals: list[Event]
    ends: dict[str, End]

    def end(self, till: Till) -> str:
        """The name of the end that it has come to. Raises AssertionError where it is none of them."""
        names = {event["event_id"] for event in (*self.before, *self.rivals)}
        held = {key: reason for key, reason in till.held().items() if key in names}
        states = till.states()
        for name, end in self.ends.items():
            if held == end.held and all(states[f"txn-{of}"] == state for of, state in end.states.items()):
                return name
        raise AssertionError(
            f"held {held}, { ({name: states.get(f'txn-{name}') for name in names}) }: not of {self.ends}"
        )


Scene = Callable[[Till, str], Story]


def _one(till: Till, n: str, **changes: Any) -> Event:
    """A sale of one A and one B."""
    lines = [{"sku": "A", "qty": 1, "amount": 10}, {"sku": "B", "qty": 1, "amount": 5}]
    return till.sold(f"s{n}", **({"line_items": lines, "total_amount": 15} | changes))


def _less(till: Till, n: str) -> Event:
    """A correction of it: no A was sold."""
    return till.amended(
        "CORRECTION", f"c{n}", of=f"txn-s{n}", line_items=[{"sku": "B", "qty": 1, "amount": 5}], total_amount=5
    )


def last_unit(till: Till, n: str) -> Story:
    """Two returns of the one that was sold: one posts, the other exceeds."""
    rivals = [till.returned(f"r{n}-{number}", of=f"txn-s{n}") for number in range(2)]
    return Story([_one(till, n)], rivals, _all_but(n, 2, 1))


def last_units(till: Till, n: str) -> Story:
    """Four returns of the two that were sold."""
    lines = [{"sku": "A", "qty": 2, "amount": 20}]
    rivals = [till.returned(f"r{n}-{number}", of=f"txn-s{n}") for number in range(4)]
    return Story([_one(till, n, line_items=lines, total_amount=20)], rivals, _all_but(n, 4, 2))


def _all_but(n: str, number: int, sold: int) -> dict[str, End]:
    """Every way in which `sold` of so many returns are posted, and the others exceed."""
    found: dict[str, End] = {}
    for bits in range(1 << number):
        refused = [at for at in range(number) if bits >> at & 1]
        if len(refused) == number - sold:
            held = {f"r{n}-{at}": EXCEEDS for at in refused}
            found[f"refused {refused}"] = End(held, {f"s{n}": ("live", 1)})
    return found


def undone_or_returned(till: Till, n: str) -> Story:
    """A cancellation against a return: what was given back cannot be undone, and what was undone not be given back."""
    rivals = [till.returned(f"r{n}", of=f"txn-s{n}"), till.amended("CANCEL", f"v{n}", of=f"txn-s{n}")]
    ends = {
        "returned": End({f"v{n}": EXCEEDS}, {f"s{n}": ("live", 1)}),
        "undone": End({f"r{n}": VOIDED}, {f"s{n}": ("voided", 1)}),
    }
    return Story([_one(till, n)], rivals, ends)


def corrected_or_returned(till: Till, n: str) -> Story:
    """A correction below what is returned, against that return."""
    ends = {
        "returned": End({f"c{n}": EXCEEDS}, {f"s{n}": ("live", 1)}),
        "corrected": End({f"r{n}": EXCEEDS}, {f"s{n}": ("live", 2)}),
    }
    return Story([_one(till, n)], [till.returned(f"r{n}", of=f"txn-s{n}"), _less(till, n)], ends)


def two_corrections(till: Till, n: str) -> Story:
    """Both are posted, one after the other."""
    rivals = [till.amended("CORRECTION", f"c{n}-{number}", of=f"txn-s{n}") for number in range(2)]
    return Story([_one(till, n)], rivals, {"both": End({}, {f"s{n}": ("live", 3)})})


def original_and_return(till: Till, n: str) -> Story:
    """An original against the return that waits for it: no wake-up is lost."""
    posted = End({}, {f"s{n}": ("live", 1), f"r{n}": ("live", 1)})
    return Story([], [till.returned(f"r{n}", of=f"txn-s{n}"), _one(till, n)], {"both": posted})


def original_and_many(till: Till, n: str) -> Story:
    """An original against several that wait for it, one of them for one that waits itself."""
    rivals = [
        till.returned(f"r{n}", of=f"txn-s{n}"),
        till.amended("CANCEL", f"v{n}", of=f"txn-r{n}"),
        till.amended("CORRECTION", f"k{n}", of=f"txn-s{n}"),
        till.sold(f"s{n}"),
    ]
    posted = End({}, {f"s{n}": ("live", 2), f"r{n}": ("voided", 1)})
    return Story([], rivals, {"all": posted})


def one_name(till: Till, n: str) -> Story:
    """One transaction from two events: the first counts."""
    rivals = [till.sold(f"e{n}-{number}", txn_id=f"txn-s{n}") for number in range(2)]
    ends = {f"{at}": End({f"e{n}-{at}": "DUPLICATE_TRANSACTION"}, {f"s{n}": ("live", 1)}) for at in range(2)}
    return Story([], rivals, ends)


SCENES: list[Scene] = [
    last_unit, last_units, undone_or_returned, corrected_or_returned, two_corrections, original_and_return,
    original_and_many, one_name,
]  # fmt: skip
