"""Stored rows as the shapes that go out."""

import json
import math
from typing import Any

import orjson

from ledgersafe.api.shapes import ArrivalShape, ExceptionShape, PayloadShape
from ledgersafe.bronze.store import StoredRaw
from ledgersafe.gate.store import Payload
from ledgersafe.quarantine.store import ExceptionRow


def arrival_view(row: StoredRaw) -> ArrivalShape:
    """An arrival. Its body was JSON when it was accepted; numbers show as a double holds them, where one does."""
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
        payload_json=_payload(row.body),
    )


def _payload(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # a number beyond every double: such ones show as they were spelled
        return json.loads(body, parse_int=_number, parse_float=_number)


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def payload_view(payload: Payload) -> PayloadShape:
    """A payload of a key."""
    return PayloadShape(raw_id=payload.raw_id, fingerprint=payload.fingerprint.hex(), decision=payload.decision)


def exception_view(row: ExceptionRow) -> ExceptionShape:
    """An exception; its amount is a decimal string."""
    values: dict[str, Any] = {name: getattr(row, name) for name in ExceptionShape.model_fields}
    values["amount"] = None if row.amount is None else format(row.amount.normalize(), "f")
    return ExceptionShape(**values)
