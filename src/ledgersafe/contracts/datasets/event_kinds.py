"""Which type of event rows make: by the rules of a contract, by one row's text or by all numbers of a group.

Text is a rule's where it is the same, letter for letter. What is only like it (`refund` for `REFUND`) is nobody's: to
post it as what the next rule says may turn money round, so that its row is bad.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

import msgspec
import polars as pl

from ledgersafe.contracts.datasets.casting import cast
from ledgersafe.contracts.datasets.events_rules import ONE_FOR_ALL, TEMPLATE, says_text, type_rules
from ledgersafe.contracts.datasets.model import Column, Dataset
from ledgersafe.contracts.datasets.shape import ConditionShape, DatasetShape, TypeRuleShape

_REMEMBERED = 100_000
_UNSEEN = r"[\s\p{C}]"
_QUOTES = "'\"`\u2018\u2019\u201c\u201d"
_NUMBER = r"^(-?)0*([0-9]+)(?:\.0+)?$"
_Like = Mapping[int, pl.Series]
"""By a rule's place: values that are not its own, and read like them."""


def rules_of(shape: DatasetShape, columns: Sequence[Column]) -> tuple[TypeRuleShape, ...]:
    """The rules of a contract's event type: what they look for is spelled as the values of its columns are."""
    named = {column.name: column for column in columns}
    return tuple(
        rule if rule.when is None else msgspec.structs.replace(rule, when=_spelled(named[rule.when.column], rule.when))
        for rule in (type_rules(shape.events) if shape.events is not None else ())
    )


def event_type(dataset: Dataset, columns: Mapping[str, Sequence[str | None]], group: Sequence[int]) -> tuple[str, bool]:
    """The type of a group's event, and whether it turns signs. `group`: where its rows stand in the columns."""
    assert dataset.shape.events is not None, "asked of events only"
    if isinstance(dataset.shape.events.event_type, str):
        return dataset.shape.events.event_type, False
    for rule in dataset.type_rules:
        if rule.when is None or _holds(rule.when, columns[rule.when.column], group):
            return rule.type, rule.turn_signs
    raise AssertionError("the last rule holds always")


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a group's rows must say alike, by a column: its text, or the type that `rules` give each of them.

    `message`: what is wrong with a group whose rows do not.
    """

    column: str
    message: str
    rules: tuple[TypeRuleShape, ...] = ()

    def said(self, rows: pl.DataFrame) -> pl.Series:
        """Of each row. `rows`: good ones, by column."""
        if not self.rules:
            return rows[self.column]
        return _kinds(self.rules, _first(self.rules, rows)).alias(self.column)


def agreements(dataset: Dataset) -> list[Agreement]:
    """What a group's rows must agree in: columns of which a member is made, where `take` names no row; and the type of
    their event, where a rule looks at one row alone.
    """
    events = dataset.shape.events
    assert events is not None, "asked of events only"
    found: dict[str, Agreement] = {}
    for member in ONE_FOR_ALL:
        field = events.fields.get(member)
        if field is None or field.take is not None:
            continue
        for name in [field.column] if field.column is not None else TEMPLATE.findall(field.template or ""):
            if name not in events.group_by:
                message = f"the rows of its group differ in {name}, of which {member} is made"
                found.setdefault(name, Agreement(name, f"{message}: if one counts for all, name it (take)"))
    return [*found.values(), *_of_types(dataset, events.group_by)]


def _of_types(dataset: Dataset, group_by: Sequence[str]) -> Iterator[Agreement]:
    rules = _of_one_row(dataset)
    told_by = [rule.when.column for rule in rules if rule.when is not None]
    names = [*dict.fromkeys(name for name in told_by if name not in group_by)]
    if names:
        message = f"the rows of its group are of different types, by {', '.join(names)}"
        yield Agreement(names[0], f"{message}: put it into group_by and event_id, so that each is an event", rules)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Rows whose type is not certain: their value in the column is like what a rule looks for."""

    column: str
    message: str
    mask: pl.Series


def doubts(dataset: Dataset, rows: pl.DataFrame) -> Iterator[Doubt]:
    """Rows that would be of another type if a value were written as a rule has it. `rows`: by column."""
    rules = _of_one_row(dataset)
    if not (like := _like(dataset, rules, rows)):
        return
    as_written, as_read = _first(rules, rows), _first(rules, rows, like)
    apart = _kinds(rules, as_written) != _kinds(rules, as_read)
    for at, values in like.items():
        rule, mask = rules[at], apart & (as_read == at)
        if rule.when is not None and mask.any():
            column = rows[rule.when.column]
            otherwise = rules[int(as_written.filter(mask)[0])].type
            message = f"reads like {_told(rule.when)}, for which its event is a {rule.type}, but is written otherwise"
            what = f"{message} (a {otherwise}): write it so, or name it in event_type, too"
            yield Doubt(rule.when.column, what, mask & column.is_in(values.implode()))


def _of_one_row(dataset: Dataset) -> tuple[TypeRuleShape, ...]:
    return tuple(rule for rule in dataset.type_rules if rule.when is None or says_text(rule.when))


def _like(dataset: Dataset, rules: Sequence[TypeRuleShape], rows: pl.DataFrame) -> _Like:
    """Of texts: numbers and days have one spelling each. A value that is exactly one rule's is like no other's."""
    of: dict[str, list[tuple[int, ConditionShape]]] = {}
    for at, rule in enumerate(rules):
        if rule.when is not None and dataset.column(rule.when.column).type.name == "string":
            of.setdefault(rule.when.column, []).append((at, rule.when))
    found: dict[int, pl.Series] = {}
    for name, conditions in of.items():
        others = rows[name].drop_nulls().unique()
        for _, condition in conditions:
            others = others.filter(~_said_of(condition, others))
        folded = _folded(others)
        found |= {at: others.filter(mask) for at, one in conditions if (mask := _reads_like(one, folded)).any()}
    return found


def _reads_like(condition: ConditionShape, folded: pl.Series) -> pl.Series:
    if condition.starts_with is not None:
        begin = str(_folded(pl.Series([condition.starts_with]))[0])
        return folded.str.starts_with(begin) if begin else folded.is_null()
    wanted = _folded(pl.Series([condition.equals] if condition.equals is not None else condition.one_of))
    return folded.str.replace(_NUMBER, "${1}${2}").is_in(wanted.str.replace(_NUMBER, "${1}${2}").implode())


def _folded(values: pl.Series) -> pl.Series:
    """Without what tells no words apart: case, blanks, what is not seen, quotation marks around them."""
    text = values.cast(pl.String).str.normalize("NFKC").str.to_lowercase()
    return text.str.replace_all(_UNSEEN, "").str.strip_chars(_QUOTES)


def _first(rules: Sequence[TypeRuleShape], rows: pl.DataFrame, like: _Like | None = None) -> pl.Series:
    """Which rule is the first that holds, row by row. `like`: values for which a rule holds, too."""
    which = pl.Series([len(rules) - 1]).new_from_index(0, rows.height)
    for at, rule in reversed([*enumerate(rules)]):
        if rule.when is not None:
            values = rows[rule.when.column].fill_null("")
            holds = _said_of(rule.when, values)
            if like and at in like:
                holds |= values.is_in(like[at].implode())
            which = which.set(holds, at)
    return which


def _kinds(rules: Sequence[TypeRuleShape], which: pl.Series) -> pl.Series:
    """Rules that make the same of a row, as one number."""
    types = [(rule.type, rule.turn_signs) for rule in rules]
    return which.replace_strict([*range(len(types))], [types.index(one) for one in types], return_dtype=pl.Int64)


def _said_of(rule: ConditionShape, values: pl.Series) -> pl.Series:
    """Whether it holds, row by row."""
    if rule.equals is not None:
        return values == rule.equals
    if rule.starts_with is not None:
        return values.str.starts_with(rule.starts_with)
    return values.is_in(rule.one_of or [])


def _told(rule: ConditionShape) -> str:
    if rule.starts_with is not None:
        return f"what starts with {rule.starts_with!r}"
    return " or ".join(map(repr, [rule.equals] if rule.equals is not None else (rule.one_of or [])[:5]))


def _holds(condition: ConditionShape, values: Sequence[str | None], group: Sequence[int]) -> bool:
    first = values[group[0]] or ""
    if condition.equals is not None:
        return first == condition.equals
    if condition.starts_with is not None:
        return first.startswith(condition.starts_with)
    if condition.one_of is not None:
        return first in condition.one_of
    if condition.all is not None:
        return all(_sign(values[at]) == condition.all for at in group)
    return any(_sign(values[at]) == condition.any for at in group)


@lru_cache(_REMEMBERED)
def _sign(value: str | None) -> str:
    number = Decimal(value or 0)
    return "negative" if number < 0 else "positive" if number > 0 else "zero"


def _spelled(column: Column, rule: ConditionShape) -> ConditionShape:
    if rule.starts_with is not None and column.type.name == "string":
        return msgspec.structs.replace(rule, starts_with=_bare(column, rule.starts_with + ".")[:-1])
    return msgspec.structs.replace(
        rule,
        equals=None if rule.equals is None else _bare(column, rule.equals),
        one_of=None if rule.one_of is None else [_bare(column, one) for one in rule.one_of],
    )


def _bare(column: Column, text: str) -> str:
    """As a good value of the column is spelled, be it written as Postgres has it or as files do; or as it is."""
    plainly = replace(column, shape=msgspec.structs.replace(column.shape, decimal=".", thousands=None))
    stripped = pl.Series([text]).str.strip_chars().str.normalize("NFC")
    return str(cast(plainly, stripped)[0] or cast(column, stripped)[0] or stripped[0])
