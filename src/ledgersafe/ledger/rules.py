"""What a tenant's chart must be, the one that it begins with, and the rules of posting as a table. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import get_args

import msgspec

from ledgersafe.contracts.event_type import Posts
from ledgersafe.contracts.posting import KNOWN_TENDERS, Paid, Role, Sums, merged
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.members import check_object, fault, items, members, one_of, repeated, text
from ledgersafe.kernel.strict_yaml import NotYamlError, read_yaml

TYPES = ("asset", "liability", "equity", "income", "expense")
_MEMBERS = {"account": text, "role": one_of(*get_args(Role)), "type": one_of(*TYPES), "name": text}


NOT_STATED, OTHER_TENDER = "", "other"
"""Means of payment of a receipt that names none, and any that has no role of its own."""
_NOTHING = Sums(**dict.fromkeys(Sums.__struct_fields__, Decimal(0)))


class Share(msgspec.Struct, frozen=True):
    """How much of each sum of a receipt of one type and means of payment moves a role, debit positive.

    `paid`: of what was paid by that means.
    """

    type: str
    payment: str
    role: Role
    gross: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    included_tax: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    totals_difference: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)


MEASURES = Share.__struct_fields__[3:]
"""The sums of which a role has a share."""


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account of a chart: its number, the role it plays in postings, its type and name."""

    account: str
    role: Role
    type: str
    name: str


class Known(msgspec.Struct, frozen=True):
    """An account on record; `retired_at`: since when nothing new is posted to it, None while it is in use."""

    account: str
    role: Role
    type: str
    name: str
    retired_at: datetime | None = None

    def listed(self) -> Account:
        """The account, as a chart lists it."""
        return Account(self.account, self.role, self.type, self.name)


class InvalidChart(Exception):
    """A chart that cannot be posted to; the message says why."""


def check_chart(chart: object, path: str = "") -> tuple[list[Account], list[Fault]]:
    """The accounts of a chart (a list of {account, role, type, name}), or every fault of it, each with its path.

    One account a role, one role an account, every role played.
    """
    listed, faults = items(chart, path)
    for at, item in enumerate(listed):
        faults += check_object(item, f"{path}/{at}", _MEMBERS, _MEMBERS)
    accounts, roles = (members(listed, path, name) for name in ("account", "role"))
    faults += [*repeated(accounts, "account"), *repeated(roles, "role")]
    if missing := [role for role in get_args(Role) if all(role != played for _, played in roles)]:
        faults.append(fault(path, f"every role needs one account; missing: {', '.join(missing)}"))
    return ([], faults) if faults else (msgspec.convert(listed, list[Account]), [])


def read_chart(written: str) -> list[Account]:
    """A chart from YAML. Raises InvalidChart."""
    try:
        chart, faults = check_chart(read_yaml(written))
    except NotYamlError as error:
        raise InvalidChart(f"The chart cannot be read: {error}.") from None
    if faults:
        raise InvalidChart("; ".join(f"{one.path}: {one.message}" for one in faults))
    return chart


def retired(known: Sequence[Known], chart: Sequence[Account]) -> list[str]:
    """The accounts in use that a new chart does not have, or has in another role."""
    wanted = {account.account: account.role for account in chart}
    return [one.account for one in known if one.retired_at is None and wanted.get(one.account) != one.role]


def recast(known: Sequence[Known], chart: Sequence[Account]) -> dict[str, tuple[int, Known]]:
    """The accounts on record that a new chart has with another role or type, each with its place in the chart."""
    at = {account.account: place for place, account in enumerate(chart)}
    return {
        one.account: (at[one.account], one)
        for one in known
        if one.account in at and (chart[at[one.account]].role, chart[at[one.account]].type) != (one.role, one.type)
    }


@cache
def default_chart() -> list[Account]:
    """The chart that a tenant begins with."""
    return read_chart(files(__package__ or "").joinpath("chart.yaml").read_text())


def shares(rules: Mapping[str, Posts]) -> Iterator[Share]:
    """The posting rules of these types as a table: each is a sum of shares, so one of each measure tells them all."""
    for name, posts in rules.items():
        for payment in (NOT_STATED, OTHER_TENDER, *KNOWN_TENDERS):
            by_role: dict[Role, dict[str, Decimal]] = {}
            for measure in MEASURES:
                one = _NOTHING if measure == "paid" else msgspec.structs.replace(_NOTHING, **{measure: Decimal(1)})
                paid = [Paid(payment, Decimal(measure == "paid"))] if payment != NOT_STATED else []
                for role, share in merged(posts(one, paid)):
                    by_role.setdefault(role, {})[measure] = share
            for role, of in by_role.items():
                yield Share(name, payment, role, **of)
