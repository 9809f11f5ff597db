"""Stored rows as the shapes that go out."""

from typing import Any

from ledgersafe.api.arrivals import ArrivalShape, OriginShape, PayloadShape
from ledgersafe.api.shapes import ExceptionShape, KeyShape, RejectedShape
from ledgersafe.bronze.store import StoredRaw, StoredRejected
from ledgersafe.files.store import Origin
from ledgersafe.gate.store import Key, Payload
from ledgersafe.kernel.canonical import read_as_spelled
from ledgersafe.quarantine.store import ExceptionRow


def arrival_view(row: StoredRaw, origin: Origin | None) -> ArrivalShape:
    """An arrival. Its body was JSON when it was accepted; a number that no double holds is a text, as it came."""
    return ArrivalShape(
        raw_id=row.raw_id,
        received_at=row.received_at,
        door=row.door,
        event_type=row.event_type,
        store_id=row.store_id,
        source_system=row.source_system,
        occurred_at=row.occurred_at,
        txn_id=row.txn_id,
        key_id=row.key_id,
        payload_hash=row.payload_hash.hex(),
        body_sha256=row.body_sha256.hex(),
        payload_json=read_as_spelled(row.body),
        origin=None if origin is None else OriginShape.model_validate(origin),
    )


def key_view(key: Key) -> KeyShape:
    """The gate's row of a key."""
    values: dict[str, Any] = {name: getattr(key, name) for name in KeyShape.model_fields}
    hashes = {name: getattr(key, name).hex() for name in ("payload_hash_first", "payload_hash_last")}
    return KeyShape(**(values | hashes))


def payload_view(payload: Payload, arrival: ArrivalShape | None = None) -> PayloadShape:
    """A payload of a key; with its content, and where that is from, where the arrival that brought it is shown."""
    return PayloadShape(
        raw_id=payload.raw_id,
        fingerprint=payload.fingerprint.hex(),
        decision=payload.decision,
        payload_json=None if arrival is None else arrival.payload_json,
        origin=None if arrival is None else arrival.origin,
    )


def rejected_view(row: StoredRejected) -> RejectedShape:
    """A rejected body, as text as far as it is text."""
    values: dict[str, Any] = {name: getattr(row, name) for name in RejectedShape.model_fields if name != "body_text"}
    return RejectedShape(**values, body_text=row.body.decode("utf-8", "backslashreplace"))


def exception_view(row: ExceptionRow) -> ExceptionShape:
    """An exception; its amount is a decimal string."""
    values: dict[str, Any] = {name: getattr(row, name) for name in ExceptionShape.model_fields}
    values["amount"] = None if row.amount is None else format(row.amount.normalize(), "f")
    return ExceptionShape(**values)
