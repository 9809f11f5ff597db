"""What a tenant's chart must be, and the one that it begins with. Pure."""

from functools import cache
from importlib.resources import files
from typing import get_args

import msgspec
import yaml

from ledgersafe.contracts.posting import Role


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account of a chart: its number, the role it plays in postings, its type and name."""

    account: str
    role: Role
    type: str
    name: str


class InvalidChart(Exception):
    """A chart that cannot be posted to; the message says why."""


def read_chart(text: str) -> list[Account]:
    """A chart from YAML: a list of {account, role, type, name}, one account a role, every role played.

    Raises InvalidChart.
    """
    try:
        chart = msgspec.convert(yaml.safe_load(text), list[Account])
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise InvalidChart(f"The chart cannot be read: {error}.") from None
    roles = [account.role for account in chart]
    missing = [role for role in get_args(Role) if role not in roles]
    doubled = sorted({role for role in roles if roles.count(role) > 1})
    if missing or doubled:
        raise InvalidChart(f"Every role needs one account. Missing: {missing or 'none'}; doubled: {doubled or 'none'}.")
    return chart


@cache
def default_chart() -> list[Account]:
    """The chart that a tenant begins with."""
    return read_chart(files(__package__ or "").joinpath("chart.yaml").read_text())
