"""GET /v1/events/{event_id}: the whole trace of one event."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path

from ledgersafe.api.arrivals import ArrivalShape, PayloadShape
from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import AuditShape, ExceptionShape, KeyShape, Shape
from ledgersafe.api.views import arrival_view, exception_view, key_view, payload_view
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import NOT_FOUND
from ledgersafe.pipeline.trace import Trace, trace
from ledgersafe.silver.rules import LineInWords
from ledgersafe.silver.store import Posted

router = APIRouter(tags=["events"])

_OF_LINE = ("line_no", "sku", "name", "brand", "quantity", "unit_price", "discount", "tax", "amount")


class GoldRowShape(Shape):
    """A row of a report that the event moved, by its keys; {} where the rows cannot be told from the event.

    `pending`: the table has yet to apply the batch that committed the postings.
    """

    table: str
    keys: dict[str, str | int | None]
    state: Literal["applied", "pending"]
    batch_ids: list[UUID]


class TraceAnswer(Shape):
    """Everything that happened to one event."""

    tenant_id: str
    event_id: str
    key: KeyShape
    waiting_to_post: bool
    arrivals: list[ArrivalShape]
    payloads: list[PayloadShape]
    exceptions: list[ExceptionShape]
    audit: list[AuditShape]
    transactions: list[Any]
    entries: list[Any]
    gold: list[GoldRowShape]


@router.get("/v1/events/{event_id:path}", summary="What happened to this event?")
def get_event(
    parts: HasParts,
    credential: Reader,
    event_id: Annotated[str, Path(min_length=1, max_length=255)],
    tenant_id: TenantParameter = None,
) -> TraceAnswer:
    """Arrivals (every retry), the key's state, exceptions and their decisions, transactions, entries, gold rows."""
    chosen = tenant_of(credential, tenant_id)
    found = trace(parts.database, chosen, event_id)
    if found is None:
        raise RequestRefused(NOT_FOUND, f"Tenant {chosen!r} never sent an event {event_id!r}.")
    return _answer(found)


def _answer(found: Trace) -> TraceAnswer:
    return TraceAnswer(
        tenant_id=found.tenant_id,
        event_id=found.key.idempotency_key,
        key=key_view(found.key),
        waiting_to_post=found.waiting_to_post,
        arrivals=[arrival_view(row, found.origins.get(row.raw_id)) for row in found.arrivals],
        payloads=[payload_view(payload) for payload in found.payloads],
        exceptions=[exception_view(row) for row in found.exceptions],
        audit=[AuditShape.model_validate(row) for row in found.audit],
        transactions=[_transaction(row, found.lines) for row in found.transactions],
        entries=[asdict(row) for row in found.entries],
        gold=[GoldRowShape.model_validate(row) for row in found.gold],
    )


def _transaction(row: Posted, lines: Sequence[LineInWords]) -> dict[str, Any]:
    """A posting or a reversal with its lines."""
    posting = row.transaction_id, row.revision, row.kind
    own = [asdict(line) for line in lines if (line.transaction_id, line.revision, line.kind) == posting]
    return asdict(row) | {"lines": [{name: line[name] for name in _OF_LINE} for line in own]}
