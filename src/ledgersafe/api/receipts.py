"""GET /v1/receipts/{txn_id}: which events stand in the books under a receipt's number."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import Shape
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import NOT_FOUND
from ledgersafe.pipeline.trace import receipts

router = APIRouter(tags=["events"])


class ReceiptPosting(Shape):
    """A posting or a reversal under the number, and the event that caused it, whose trace has the rest."""

    store_id: str
    txn_id: str
    transaction_id: UUID
    revision: int
    kind: Literal["posting", "reversal"]
    type: str
    event_type: str
    event_id: str
    business_date: date
    books_date: date
    currency: str
    total: Decimal


class ReceiptAnswer(Shape):
    """At most 1,000 postings, store by store."""

    items: list[ReceiptPosting]


@router.get("/v1/receipts/{txn_id:path}", summary="Which events are behind a receipt's number?")
def get_receipt(
    parts: HasParts,
    credential: Reader,
    txn_id: Annotated[str, Path(min_length=1, max_length=255)],
    tenant_id: TenantParameter = None,
) -> ReceiptAnswer:
    """In all stores: shops number their receipts by themselves. What is held is in no book, and not found here."""
    chosen = tenant_of(credential, tenant_id)
    found = receipts(parts.database, chosen, txn_id)
    if not found:
        raise RequestRefused(NOT_FOUND, f"Nothing of tenant {chosen!r} is posted under the number {txn_id!r}.")
    return ReceiptAnswer(items=[ReceiptPosting.model_validate(row) for row in found])
