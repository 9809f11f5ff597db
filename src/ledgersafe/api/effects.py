"""What became of an exception that was decided on; with dry_run, what would, and what that would do to the ledger."""

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from ledgersafe.api.shapes import FaultShape, Shape
from ledgersafe.kernel.errors import Fault
from ledgersafe.pipeline.preview import Effect, Preview
from ledgersafe.pipeline.resolve import Result


class PostingEffect(Shape):
    """A transaction that would be posted, or taken back. `total`: negative where it is taken back.

    Where it is a new one, `transaction_id` is not the one that it will really get.
    """

    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    type: str
    event_type: str
    store_id: str
    txn_id: str
    business_date: date
    books_date: date
    currency: str
    total: Decimal


class EntryEffect(Shape):
    """A line of an entry that would be made; amounts are decimal strings."""

    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    store_id: str
    txn_id: str
    business_date: date
    books_date: date
    account: str
    account_name: str | None
    debit: Decimal
    credit: Decimal
    currency: str


class EffectShape(Shape):
    """What would be added to the books, reversals first. `note`: in words, what is not plain from the rest."""

    transactions: list[PostingEffect]
    entries: list[EntryEffect]
    faults: list[FaultShape] = Field(description="Why it could not be posted, and would be held again.")
    released: int = Field(
        description="How many events that wait for it would go on with it; their postings are told too."
    )
    note: str | None


class ResolveAnswer(Shape):
    """What became of it, or with dry_run would have."""

    exception_id: UUID
    dry_run: bool
    resolution: Literal["replayed", "ignored", "dismissed", "released"] | None
    canonical_raw_id: UUID | None
    key_status: Literal["processed", "quarantined", "ignored"] | None
    released: int = Field(default=0, description="How many events that waited for it go on with it, by themselves.")
    effect: EffectShape | None = Field(default=None, description="With dry_run: what it would do to the ledger.")


def decided(result: Result) -> ResolveAnswer:
    """The answer to a decision."""
    return ResolveAnswer.model_validate(_outcome(result, is_dry=False))


def previewed(found: Preview) -> ResolveAnswer:
    """The answer to a dry run."""
    return ResolveAnswer.model_validate(_outcome(found.result, is_dry=True) | {"effect": _effect(found.effect)})


def _outcome(result: Result, *, is_dry: bool) -> dict[str, object]:
    return {
        "exception_id": result.exception_id,
        "dry_run": is_dry,
        "resolution": None if result.closed is None else result.closed.resolution,
        "canonical_raw_id": None if result.closed is None else result.closed.canonical_raw_id,
        "key_status": result.key_status,
        "released": result.released,
    }


def _effect(effect: Effect) -> EffectShape:
    return EffectShape(
        transactions=[PostingEffect.model_validate(one) for one in effect.transactions],
        entries=[EntryEffect.model_validate(one) for one in effect.entries],
        faults=[_fault(one) for one in effect.faults],
        released=effect.released,
        note=effect.note,
    )


def _fault(fault: Fault) -> FaultShape:
    return FaultShape.model_validate(fault.as_json())
