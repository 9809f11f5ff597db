"""Whether an event keeps its contract: every fault found, and the columns that can be read from it all the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from ledgersafe.contracts.envelope import Envelope, read_special
from ledgersafe.contracts.event_type import EventType
from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.explain import MOST_FAULTS, structural_faults
from ledgersafe.contracts.items import ItemisedEvent, off_by
from ledgersafe.contracts.shapes import of_plain_texts
from ledgersafe.kernel import reasons
from ledgersafe.kernel.canonical import InexactNumber
from ledgersafe.kernel.errors import Fault
from ledgersafe.kernel.money import Coins, coins, is_currency, parse_amount

LONGEST_KEY_BYTES = 2_500
"""What fits an index of Postgres, whose entries may take 2,704 bytes."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_STORED = datetime(9999, 12, 31, tzinfo=UTC)
"""Beyond it, an instant may be of a year that Python cannot read back."""
_OF_NO_CURRENCY = Coins(Decimal("0.01"), Decimal(1), Decimal("0.1"))
_COLUMNS = ("event_type", "store_id", "source_system", "schema_version", "occurred_at", "source_event_id", "txn_id")


class Expectations(msgspec.Struct, frozen=True):
    """What is known beforehand of an event's tenant and store, and the time.

    `default_currency`: for events that name none; None where neither store nor tenant has one.
    `simulated_welcome`: whether the tenant's books are made up.
    `latest`: events that occurred after this instant lie in the future.
    """

    default_currency: str | None
    simulated_welcome: bool
    latest: datetime

    @classmethod
    def at(cls, now: datetime, *, currency: str | None, simulated: bool, future_seconds: float) -> "Expectations":
        """The expectations at an instant."""
        return cls(currency, simulated, now + timedelta(seconds=future_seconds))


class Columns(msgspec.Struct, frozen=True):
    """The envelope's fields that are stored as columns; None where the event has no usable value."""

    event_type: str | None
    store_id: str | None
    source_system: str | None
    schema_version: str | None
    occurred_at: datetime | None
    source_event_id: str | None
    txn_id: str | None


class Verdict(msgspec.Struct, frozen=True):
    """`faults` empty: valid. `warnings`: accepted all the same. `amount`, `currency`: what is at stake, where known."""

    columns: Columns
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]
    amount: Decimal | None
    currency: str | None


def judge(event: dict[str, Any], *, exact: bool, expectations: Expectations, is_plain: bool = False) -> Verdict:
    """Judge a mapped event. `exact` is False where one of its JSON numbers is held by no double.

    `is_plain` promises that its texts are ASCII without control characters: what looks for others is left out.
    """
    contract = event_types().get(event.get("event_type", "")) if isinstance(event.get("event_type"), str) else None
    if contract is not None and exact:
        try:
            shape = of_plain_texts(contract.shape) if is_plain else contract.shape
            typed: Any = msgspec.convert(event, shape, dec_hook=read_special)
        except msgspec.ValidationError:
            pass
        else:
            return _judge_well_formed(typed, contract, expectations, is_plain=is_plain)
    return _judge_malformed(event, contract, exact=exact, expectations=expectations)


def _judge_well_formed(event: Any, contract: EventType, expectations: Expectations, *, is_plain: bool) -> Verdict:
    faults = list(_envelope_faults(event, contract, expectations, is_plain=is_plain))
    currency: str | None = event.currency or expectations.default_currency
    known = coins(currency) if currency is not None and is_currency(currency) else _OF_NO_CURRENCY
    for check in contract.checks:
        faults.extend(check(event, known))
    faults.extend(_missing_currency(event, expectations))
    columns = Columns(
        event.event_type,
        event.store_id,
        event.source_system,
        event.schema_version,
        _stored(event.occurred_at),
        event.source_event_id,
        event.txn_id,
    )
    warnings: tuple[str, ...] = ()
    if not faults and isinstance(event, ItemisedEvent) and (difference := off_by(event, known)[1]):
        warnings = (f"total_amount differs by {difference} from what its parts make",)
    return Verdict(columns, tuple(faults[:MOST_FAULTS]), warnings, event.total_amount, currency)


def _envelope_faults(
    event: Envelope, contract: EventType, expectations: Expectations, *, is_plain: bool = False
) -> Iterator[Fault]:
    if event.schema_version != contract.schema_version:
        message = f"schema_version is {event.schema_version!r}, known is {contract.schema_version!r}"
        yield Fault(reasons.UNSUPPORTED_SCHEMA_VERSION, "/schema_version", message)
    if event.occurred_at < EARLIEST:
        yield Fault(reasons.CONTRACT_VIOLATION, "/occurred_at", "lies before 1970")
    if event.occurred_at > expectations.latest:
        message = f"{event.occurred_at.isoformat()} lies in the future"
        yield Fault(reasons.FUTURE_EVENT_TIME, "/occurred_at", message)
    currency = event.currency or expectations.default_currency
    if currency is not None and not is_currency(currency):
        yield Fault(reasons.CURRENCY_UNKNOWN, "/currency", f"{currency!r} is not an ISO 4217 code")
    if not is_plain:  # four names of ASCII always have room
        yield from _key_faults(event)
    if event.simulated and not expectations.simulated_welcome:
        message = f"the event is simulated, tenant {event.tenant_id!r} keeps real books"
        yield Fault(reasons.SUSPECTED_TEST_DATA, "/simulated", message)


def _key_faults(event: Envelope) -> Iterator[Fault]:
    """What is part of a key has room in its index: names of 255 characters may take 1,020 bytes each."""
    whose, store = event.tenant_id, event.store_id
    if _bytes(whose, event.source_system, event.source_event_id or "") > LONGEST_KEY_BYTES:
        message = f"tenant_id, source_system and source_event_id together take over {LONGEST_KEY_BYTES} bytes"
        yield Fault(reasons.CONTRACT_VIOLATION, "/source_event_id", message)
    if _bytes(whose, store, event.txn_id) > LONGEST_KEY_BYTES:
        message = f"tenant_id, store_id and txn_id together take over {LONGEST_KEY_BYTES} bytes"
        yield Fault(reasons.CONTRACT_VIOLATION, "/txn_id", message)
    if isinstance(event, ItemisedEvent):
        sku = max((line.sku for line in event.line_items), key=len)
        if _bytes(whose, store, sku, sku) > LONGEST_KEY_BYTES:  # reports name pairs of products
            message = f"tenant_id, store_id and twice the longest sku take over {LONGEST_KEY_BYTES} bytes"
            yield Fault(reasons.CONTRACT_VIOLATION, "/line_items", message)


def _bytes(*parts: str) -> int:
    """How many bytes they take; where they cannot be too many, how many they take at most."""
    characters = sum(map(len, parts))
    return characters if characters * 4 <= LONGEST_KEY_BYTES else sum(len(part.encode()) for part in parts)


def _missing_currency(event: Envelope, expectations: Expectations) -> Iterator[Fault]:
    """Told last: what the event itself gets wrong is of more use to its sender than a setting that its tenant lacks."""
    if event.currency is None and expectations.default_currency is None:
        message = "the event names no currency, and neither its store nor its tenant has one"
        yield Fault(reasons.CURRENCY_MISSING, "/currency", message)


def _judge_malformed(
    event: dict[str, Any], contract: EventType | None, *, exact: bool, expectations: Expectations
) -> Verdict:
    faults: list[Fault] = []
    if not exact:
        message = "a JSON number is held by no double: send it as a string"
        faults.append(Fault(reasons.NUMBER_NOT_EXACT, "", message))
    if contract is None and isinstance(event.get("event_type"), str):
        message = f"{event['event_type'][:100]!r} is none of {', '.join(sorted(event_types()))}"
        faults.append(Fault(reasons.UNKNOWN_EVENT_TYPE, "/event_type", message))
    shape = contract.shape if contract is not None else Envelope
    faults.extend(islice(structural_faults(event, shape), MOST_FAULTS))
    readable = _readable(event)
    envelope = msgspec.convert(_PLACEHOLDERS | readable, Envelope, dec_hook=read_special)
    if contract is not None and len(readable.keys() & _PLACEHOLDERS.keys()) == len(_PLACEHOLDERS):
        faults.extend(_envelope_faults(envelope, contract, expectations))
        faults.extend(_missing_currency(envelope, expectations))
    occurred_at = _stored(envelope.occurred_at) if "occurred_at" in readable else None
    columns: dict[str, Any] = {name: readable.get(name) for name in _COLUMNS} | {"occurred_at": occurred_at}
    currency = readable.get("currency") or expectations.default_currency
    return Verdict(Columns(**columns), tuple(faults), (), _amount_of(event), currency)


def _stored(occurred_at: datetime) -> datetime | None:
    """The instant as it goes into a column, where it is one that a person could mean."""
    return occurred_at if EARLIEST <= occurred_at < _LATEST_STORED else None


_PLACEHOLDERS: dict[str, Any] = {
    name: "1970-01-01T00:00:00Z" if name == "occurred_at" else "-"
    for name in (field.name for field in msgspec.structs.fields(Envelope) if field.required)
}


def _readable(event: dict[str, Any]) -> dict[str, Any]:
    """The members of the envelope that are well-formed by themselves."""
    fields = {field.name: field.type for field in msgspec.structs.fields(Envelope)}
    return {
        name: value
        for name, value in event.items()
        if name in fields
        and not isinstance(value, InexactNumber)
        and next(structural_faults(value, fields[name]), None) is None
    }


def _amount_of(event: dict[str, Any]) -> Decimal | None:
    try:
        return parse_amount(event.get("total_amount"))
    except ValueError:
        return None
