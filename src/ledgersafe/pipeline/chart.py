"""chart: a tenant's chart of accounts is read, and replaced, on record.

What was posted to stays on record: an account that a new chart does not have is retired, not deleted. It keeps its role
and its type, so that sums by role stay the sums of what was posted in that role.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database, Tx
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.members import fault, refuse
from ledgersafe.kernel.reasons import NOT_FOUND
from ledgersafe.ledger import store as ledger
from ledgersafe.ledger.rules import Account, Known, check_chart, default_chart, recast, retired
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.tenants import store as tenants

_PATH = "/accounts"


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What changes of one account; None: it was not, or is no more, in use."""

    account: str
    before: Account | None
    after: Account | None


def chart(database: Database, tenant_id: str) -> Sequence[Account]:
    """The accounts that a tenant's postings go to; before its first posting, those that it will begin with."""
    with database.snapshot() as tx:
        return ledger.accounts(tx, tenant_id).all() or default_chart()


def accounts(database: Database, tenant_id: str) -> list[Known]:
    """Every account on record, retired ones included; before the first posting, those to begin with."""
    with database.snapshot() as tx:
        return ledger.known_accounts(tx, tenant_id).all() or _as_known(default_chart())


def put_chart(
    database: Database, tenant_id: str, wanted: object, by: Operator, *, dry_run: bool = False
) -> list[AccountChange]:
    """Replace a tenant's chart, or nothing; what is being posted is waited for. Doing it twice changes nothing.

    `wanted`: a list of {account, role, type, name}. `dry_run`: only tell what would change.
    Raises RequestRefused with every fault: of the list itself, or an account that was posted to in another role.
    """
    new, faults = check_chart(wanted, _PATH)
    refuse(faults, "The chart cannot be used")
    with database.transaction() as tx:
        if tenants.settings(tx, [tenant_id]).first() is None:
            raise RequestRefused(
                NOT_FOUND, f"There is no tenant {tenant_id!r}: its first event makes it, or an import."
            )
        ledger.hold_chart(tx, tenant_id)
        known = ledger.known_accounts(tx, tenant_id).all()
        changes = _changes(known, new)
        _refuse_recast(tx, tenant_id, known, new)
        if changes and not dry_run:
            ledger.retire_accounts(tx, tenant_id, retired(known, new), by.now)
            ledger.put_accounts(tx, tenant_id, new)
            audit.insert(tx, [_entry(tenant_id, changes, by)])
        return changes


def _changes(known: Sequence[Known], new: Sequence[Account]) -> list[AccountChange]:
    """By account, what is in use before and after. A tenant without accounts uses those that it would begin with."""
    before = {one.account: one.listed() for one in known or _as_known(default_chart()) if one.retired_at is None}
    after = {account.account: account for account in new}
    return [
        AccountChange(account, before.get(account), after.get(account))
        for account in sorted(before.keys() | after.keys())
        if before.get(account) != after.get(account)
    ]


def _refuse_recast(tx: Tx, tenant_id: str, known: Sequence[Known], new: Sequence[Account]) -> None:
    """Raise RequestRefused where an account that was posted to is to play another role, or be of another type."""
    moved = recast(known, new)
    posted = ledger.posted_accounts(tx, tenant_id, sorted(moved)).all() if moved else []
    refuse(
        [fault(f"{_PATH}/{at}", _kept(one)) for at, one in (moved[name] for name in posted)], "The chart cannot be used"
    )


def _kept(one: Known) -> str:
    return (
        f"account {one.account!r} was posted to as {one.role!r} ({one.type}) and keeps that, "
        "so that what was posted stays what it was: use another number"
    )


def _as_known(chart: Sequence[Account]) -> list[Known]:
    return [Known(account.account, account.role, account.type, account.name) for account in chart]


def _entry(tenant_id: str, changes: Sequence[AccountChange], by: Operator) -> audit.Entry:
    before = {one.account: _facts(one.before) for one in changes if one.before is not None}
    after = {one.account: _facts(one.after) for one in changes if one.after is not None}
    return audit.Entry(tenant_id, by.now, by.credential.actor, "chart.changed", "chart", tenant_id, before, after)


def _facts(account: Account) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(account).items() if name != "account"}
