"""How much may be given back, for any lines: what is taken is what was asked for, and never more than was sold."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from random import Random

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
