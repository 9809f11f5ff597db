"""What VOID and CANCEL have in common: they name an earlier transaction and undo all of it, so they carry no lines."""

from collections.abc import Iterator
from typing import Any

from ledgersafe.contracts.envelope import Envelope, Name
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.money import Amount, Coins
from ledgersafe.kernel.reasons import CONTRACT_VIOLATION


class Reversal(Envelope, kw_only=True):
    """Undoes the transaction that it names."""

    original_txn_id: Name
    original_store_id: Name | None = None
    total_amount: Amount | None = None
    line_items: list[Any] | None = None


def carries_no_lines(event: Reversal, coins: Coins) -> Iterator[Fault]:
    """Undoing a part of a transaction is a RETURN or a CORRECTION."""
    del coins
    if event.line_items:
        yield Fault(CONTRACT_VIOLATION, "/line_items", f"a {event.event_type} undoes the whole original: no lines")
