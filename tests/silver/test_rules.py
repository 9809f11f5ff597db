"""How much may be given back, for any lines: what is taken is what was asked for, and never more than was sold."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from random import Random
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.silver.rules import ZERO, Exceeded, GivenBack, Left, Sold, allocate, below_returned, kept_numbers

small = st.integers(0, 400).map(lambda number: Decimal(number) / 100)
skus = st.sampled_from(["A", "B"])
sold_lines = st.lists(st.tuples(skus, small, small), min_size=1, max_size=4).map(
    lambda rows: [Sold(number, *row) for number, row in enumerate(rows, 1)]
)
given_lines = st.lists(st.tuples(skus, small, small, st.none() | st.integers(1, 5)), min_size=1, max_size=4).map(
    lambda rows: [GivenBack(number, *row) for number, row in enumerate(rows, 1)]
)


@given(sold_lines, st.lists(given_lines, max_size=6))
def test_what_is_given_back_was_sold_and_is_left(sold: list[Sold], returns: list[list[GivenBack]]) -> None:
    returned: dict[int, Left] = {}
    total: dict[int, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    by_number = {line.line_no: line for line in sold}
    for lines in returns:
        before = dict(returned)
        try:
            found, after = allocate(lines, sold, returned)
        except Exceeded:
            assert returned == before
            continue
        for line in lines:
            of_line = [one for one in found if one.line_no == line.line_no]
            assert sum((one.quantity for one in of_line), ZERO) == line.quantity
            assert sum((one.amount for one in of_line), ZERO) == line.amount
            assert {by_number[one.original_line_no].sku for one in of_line} <= {line.sku}
            assert len({one.original_line_no for one in of_line}) == len(of_line)
            if line.original_line_no is not None:
                assert {one.original_line_no for one in of_line} <= {line.original_line_no}
        for one in found:
            total[one.original_line_no][0] += one.quantity
            total[one.original_line_no][1] += one.amount
        returned = after
    for number, (quantity, amount) in returned.items():
        assert [quantity, amount] == total[number]
        assert ZERO <= quantity <= by_number[number].quantity
        assert ZERO <= amount <= by_number[number].amount
    assert below_returned(sold, sold, returned) is None
    for number, left in returned.items():
        if left != (ZERO, ZERO):
            assert below_returned([line for line in sold if line.line_no != number], sold, returned) == number
            break


@given(sold_lines)
def test_all_of_it_can_be_given_back_in_any_order_once(sold: list[Sold]) -> None:
    lines = [GivenBack(line.line_no, line.sku, line.quantity, line.amount, line.line_no) for line in reversed(sold)]
    _, after = allocate(lines, sold, {})
    assert {number: left for number, left in after.items() if left != (ZERO, ZERO)} == {
        line.line_no: (line.quantity, line.amount) for line in sold if (line.quantity, line.amount) != (ZERO, ZERO)
    }


def taken_one_by_one(
    lines: list[GivenBack], sold: list[Sold], returned: dict[int, Left]
) -> list[tuple[object, ...]] | None:
    """What lines take, by looking at every line of the sku for each; None where more would go back than is left."""
    after, found = dict(returned), []
    for line in sorted(lines, key=lambda line: line.original_line_no is None):
        quantity, amount, price = line.quantity, line.amount, price_of(line)
        same = [one for one in sold if one.sku == line.sku and line.original_line_no in (None, one.line_no)]
        same.sort(key=lambda one: (abs(price_of(one) - price), one.line_no))
        for one in same:
            gone = after.get(one.line_no, (ZERO, ZERO))
            takes = min(quantity, one.quantity - gone[0]), min(amount, one.amount - gone[1])
            if any(takes) or (one is same[0] and not (line.quantity or line.amount)):
                after[one.line_no] = gone[0] + takes[0], gone[1] + takes[1]
                found.append((line.line_no, one.line_no, *takes))
                quantity, amount = quantity - takes[0], amount - takes[1]
        if quantity or amount or not same:
            return None
    return found


def price_of(line: Sold | GivenBack) -> Decimal:
    return line.amount / line.quantity if line.quantity else ZERO


@given(sold_lines, st.lists(given_lines, min_size=1, max_size=3))
def test_a_line_takes_from_the_nearest_in_price(sold: list[Sold], returns: list[list[GivenBack]]) -> None:
    returned: dict[int, Left] = {}
    for lines in returns:
        expected = taken_one_by_one(lines, sold, returned)
        try:
            found, after = allocate(lines, sold, returned)
        except Exceeded:
            assert expected is None
        else:
            assert expected == [(one.line_no, one.original_line_no, one.quantity, one.amount) for one in found]
            returned = after


few = st.integers(1, 3).map(Decimal)
coarse = st.sampled_from([5, 10, 20, 30]).map(Decimal)
of_one_sku = st.lists(st.tuples(few, coarse), min_size=1, max_size=5)


@given(st.lists(st.tuples(few, coarse, few, coarse), min_size=1, max_size=4), of_one_sku, st.sets(st.integers(1, 5)))
def test_every_number_finds_a_line_where_there_is_a_way(
    before: list[tuple[Decimal, ...]], lines: list[Left], sent: set[int]
) -> None:
    were = [Sold(number, "A", quantity, amount) for number, (quantity, amount, _, _) in enumerate(before, 1)]
    returned = {
        number: (min(quantity, most), min(amount, dearest))
        for number, (most, dearest, quantity, amount) in enumerate(before, 1)
    }
    anew = [Sold(number, "A", *line) for number, line in enumerate(lines, 1)]
    free = [line.line_no for line in anew if line.line_no not in sent]
    kept = kept_numbers(anew, free, were, returned)
    assert kept.keys() == set(free)
    numbered = [replace(line, line_no=kept.get(line.line_no, line.line_no)) for line in anew]
    assert len({line.line_no for line in numbered}) == len(anew)
    needed = sorted(returned.keys() - (sent & {line.line_no for line in anew}))
    missing = [None] * max(0, len(needed) - len(free))
    is_possible = any(
        below_returned(
            [replace(anew[at - 1], line_no=number) for number, at in zip(needed, way, strict=False) if at is not None],
            were,
            {number: returned[number] for number in needed},
        )
        is None
        for way in permutations([*free, *missing], len(needed))
    )
    is_kept = below_returned(numbered, were, {number: returned[number] for number in needed}) is None
    assert is_kept == is_possible


def test_thousands_of_lines_of_one_sku_take_no_time() -> None:
    """Posting a tenant holds nobody up: 10,000 lines are what a receipt may have."""
    many = range(1, 10_001)
    sold = [Sold(number, "A", Decimal(1), Decimal(number)) for number in many]
    started = perf_counter()
    found, after = allocate([GivenBack(n, "A", Decimal(1), Decimal(10_001 - n), None) for n in many], sold, {})
    anew = [replace(line, line_no=10_001 - line.line_no) for line in sold]
    kept = kept_numbers(anew, many, sold, after)
    odd = [GivenBack(n, "A", Decimal(n % 2), Decimal((n + 1) % 2), None) for n in many]
    _, of_odd = allocate(odd, sold, {})
    assert perf_counter() - started < 5, "a second here; minutes where each line looks at each"
    assert (len(found), kept) == (10_000, {number: 10_001 - number for number in many})
    assert sum(quantity for quantity, _ in of_odd.values()) == 5_000


@given(sold_lines, given_lines, st.randoms(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_same_lines_in_any_order_are_known_again(
    sold: list[Sold], lines: list[GivenBack], random: Random, numbered: list[bool]
) -> None:
    try:
        _, returned = allocate(lines, sold, {})
    except Exceeded:
        return
    shuffled = random.sample(sold, len(sold))
    anew = [replace(line, line_no=number) for number, line in enumerate(shuffled, 1)]
    numbers = kept_numbers(anew, {line.line_no for line in anew}, sold, returned)
    assert numbers.keys() == {line.line_no for line in anew}
    assert len(set(numbers.values())) == len(anew), "no two lines of one number"
    assert below_returned([replace(line, line_no=numbers[line.line_no]) for line in anew], sold, returned) is None
    free = {line.line_no for line, is_sent in zip(anew, numbered, strict=False) if not is_sent}
    some = kept_numbers(anew, free, sold, returned)
    assert some.keys() == free
    assert not set(some.values()) & ({line.line_no for line in anew} - free), "what was sent stays"
    assert len(set(some.values())) == len(free)
