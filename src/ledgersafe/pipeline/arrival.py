"""Reading an arrival: from bytes at a door to an event that is mapped, fingerprinted and judged. No database in it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson

from ledgersafe.bronze.store import Body, StoredRaw
from ledgersafe.contracts.doors import map_event
from ledgersafe.contracts.envelope import is_usable_id
from ledgersafe.contracts.identity import fingerprint
from ledgersafe.contracts.judge import Columns, Expectations, judge
from ledgersafe.contracts.patch import merge
from ledgersafe.kernel.canonical import Document, canonicalise, is_exact, read_json
from ledgersafe.kernel.errors import Fault, RequestRefused
from ledgersafe.kernel.reasons import FOREIGN_TENANT, REDACTED, UNUSABLE_EVENT_ID, UNUSABLE_TENANT_ID
from ledgersafe.tenants.rules import OF_TENANT, Credential, PastCurrency, currency_then
from ledgersafe.tenants.store import Tenant

REDACTION = b'{"redacted":true}'
"""What stands in a redacted body's place: bronze.redaction() says the same. No event reads so: it has no event_id."""


class Arrival(msgspec.Struct, frozen=True):
    """One event as received and as judged, ready to be accepted. `ce_headers`: JSON text, of binary CloudEvents."""

    tenant_id: str
    event_id: str
    door: str
    body: bytes
    received_at: datetime
    fingerprint: bytes
    columns: Columns
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]
    amount: Decimal | None
    currency: str | None
    ce_headers: str | None
    key_id: str | None
    tenant_is_known: bool


class Parcel(msgspec.Struct, frozen=True):
    """What an arrival's bytes come in: the door, the credential, the time, the ce-* headers of a binary CloudEvent."""

    door: str
    credential: Credential
    received_at: datetime
    headers: Mapping[str, str] | None = None


class Mapped(msgspec.Struct, frozen=True):
    """An arrival that has been read and belongs to a tenant, but is not judged yet."""

    parcel: Parcel
    body: bytes
    event: dict[str, Any]
    tenant_id: str
    event_id: str
    document: Document


def read(parcel: Parcel, body: bytes, default_tenant: str = "") -> Mapped:
    """Parse and map one event. Raises RequestRefused: no JSON, no event, no usable ids, a foreign tenant.

    `default_tenant`: whose event it is at a door whose shape names no tenant.
    """
    return read_document(parcel, read_json(body), default_tenant)


def read_document(parcel: Parcel, document: Document, default_tenant: str = "") -> Mapped:
    """The same of a JSON text that has been parsed."""
    event = map_event(parcel.door, document, parcel.headers or {}, default_tenant)
    tenant_id, event_id = event.get("tenant_id"), event.get("event_id")
    if not is_usable_id(tenant_id) or tenant_id.startswith("_"):
        raise RequestRefused(UNUSABLE_TENANT_ID, _unusable("tenant_id", tenant_id))
    if not is_usable_id(event_id):
        raise RequestRefused(UNUSABLE_EVENT_ID, _unusable("event_id", event_id))
    if not parcel.credential.may_use(tenant_id):
        raise RequestRefused(FOREIGN_TENANT, f"This API key does not serve tenant {tenant_id!r}.")
    return Mapped(parcel, document.body, event, tenant_id, event_id, document)


def read_again(stored: StoredRaw | Body, tenant_id: str, credential: Credential, now: datetime) -> Mapped:
    """The same from a stored arrival, to be judged as of now. Raises RequestRefused: as `read`, and REDACTED."""
    if stored.body == REDACTION:
        raise RequestRefused(REDACTED, "Its body was redacted: nothing is left that could be posted.")
    parcel = Parcel(stored.door, credential, now, stored.ce_headers)
    return read(parcel, stored.body, tenant_id)


def patched(mapped: Mapped, patch: dict[str, Any]) -> Mapped:
    """A mapped event with a merge patch (RFC 7396) over it: what is judged and posted in its place."""
    event = merge(mapped.event, patch)
    document = Document(mapped.body, event, canonicalise(event))
    return msgspec.structs.replace(mapped, event=event, document=document)


def judged(mapped: Mapped, tenant: Tenant | None, future_seconds: float) -> Arrival:
    """Judge a mapped event by what is known of its tenant (None: nothing yet). `future_seconds`: allowed clock skew."""
    event, parcel = mapped.event, mapped.parcel
    expectations = Expectations.at(
        parcel.received_at,
        currency=default_currency(tenant, event.get("store_id")),
        simulated=tenant is not None and tenant.simulated,
        future_seconds=future_seconds,
    )
    volatile = _volatile_fields(tenant, event.get("source_system"))
    # A CloudEvent's data_base64 is a JSON text of its own, whose numbers its envelope knows nothing of.
    is_as_written = event is mapped.document.value
    exact = mapped.document.canonical is not None and (is_as_written or is_exact(event))
    is_plain = is_as_written and mapped.document.is_plain
    verdict = judge(event, exact=exact, expectations=expectations, is_plain=is_plain)
    return Arrival(
        tenant_id=mapped.tenant_id,
        event_id=mapped.event_id,
        door=parcel.door,
        body=mapped.body,
        received_at=parcel.received_at,
        fingerprint=fingerprint(event, mapped.document, volatile),
        columns=verdict.columns,
        faults=verdict.faults,
        warnings=verdict.warnings,
        amount=verdict.amount,
        currency=verdict.currency,
        ce_headers=orjson.dumps(dict(parcel.headers)).decode() if parcel.headers else None,
        key_id=parcel.credential.key_id,
        tenant_is_known=tenant is not None,
    )


def as_it_was(tenant: Tenant | None, past: Sequence[PastCurrency], came_at: datetime) -> Tenant | None:
    """The tenant with the currencies that an event which came at an instant is judged by."""
    if tenant is None or not past:
        return tenant

    def then(store_id: str) -> str | None:
        return currency_then(past, came_at, store_id, tenant.store_currencies.get(store_id), tenant.currency)

    named = {*tenant.store_currencies, *(one.store_id for one in past)} - {OF_TENANT}
    of_stores = {store_id: currency for store_id in named if (currency := then(store_id)) is not None}
    return replace(tenant, currency=then(OF_TENANT), store_currencies=of_stores)


def default_currency(tenant: Tenant | None, store_id: object) -> str | None:
    """The currency of an event of a store that names none, as it is set now; None where nothing is."""
    if tenant is None:
        return None
    if isinstance(store_id, str) and store_id in tenant.store_currencies:
        return tenant.store_currencies[store_id]
    return tenant.currency


def _volatile_fields(tenant: Tenant | None, source_system: object) -> list[str]:
    if tenant is None or not isinstance(source_system, str):
        return []
    return tenant.volatile_fields.get(source_system, [])


def _unusable(name: str, value: object) -> str:
    if value is None:
        return f"{name} is missing. It must be a string of 1 to 255 characters, without control characters."
    shown = repr(value)[:80]
    return f"{name} is {shown}. It must be a string of 1 to 255 characters, without control characters."
