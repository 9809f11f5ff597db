"""The limit of Postgres for many events at once: binary COPY of the same rows into the same tables.

One connection, as Ledgersafe's one process has one; in transactions of so many events. The blocks are made before the
clock starts, so that nothing is measured but psycopg handing over bytes and Postgres storing them.

A process of its own, which speaks the load generator's protocol. Its Spec's `url` is the database's.
"""

import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from bench.events import body_maker, key_maker
from bench.load import Result, Spec
from ledgersafe.kernel.ids import new_id

_TABLES = {
    "bronze.events_raw": "tenant_id, raw_id, received_at, door, event_id, event_type, store_id, source_system, "
    "schema_version, occurred_at, source_event_id, txn_id, payload_hash, canonical_version, body, body_sha256, "
    "ce_headers, key_id",
    "bronze.batches": "tenant_id, batch_id, ids",
    "gate.events_processed": "tenant_id, idempotency_key, status, arrivals, first_seen_at, last_seen_at, first_raw_id, "
    "last_raw_id, payload_hash_first, payload_hash_last, first_decision, processed_at",
    "gate.to_post": "tenant_id, raw_id, idempotency_key",
}
_COUNT = """
INSERT INTO gate.counters AS c (tenant_id, slot, events_raw, processed, quarantined, ignored, exceptions_open)
VALUES (%(tenant_id)s, 0, %(events)s, %(events)s, 0, 0, 0)
ON CONFLICT (tenant_id, slot) DO UPDATE
SET events_raw = c.events_raw + excluded.events_raw, processed = c.processed + excluded.processed
"""
_BEGIN, _END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_OCCURRED = datetime(2026, 2, 25, tzinfo=UTC)
_UUID_OID = 2950

Blocks = list[bytes]
"""What one transaction copies: a block a table."""


def main() -> None:
    """Serve one Spec."""
    spec = Spec(**json.loads(sys.stdin.readline()))
    prepared = [_blocks(spec) for _ in range(spec.prepared)]
    with psycopg.connect(spec.url, autocommit=True) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        _copy_for(connection, spec, prepared, spec.lead_in)
        print("measuring", flush=True)
        times = _copy_for(connection, spec, prepared, spec.seconds)
        print("measured", flush=True)
    times.sort()
    result = Result(
        rate=len(times) * spec.batch / sum(times),
        p50_ms=1000 * times[len(times) // 2],
        p99_ms=1000 * times[int(len(times) * 0.99)],
        codes={"201": len(times)},
        per_second=[],
    )
    print(json.dumps(asdict(result)), flush=True)
    sys.stdin.read()


def _copy_for(connection: psycopg.Connection, spec: Spec, prepared: list[Blocks], seconds: float) -> list[float]:
    """Copy until the time is over; the times of the transactions. Blocks beyond the prepared ones are made between."""
    times: list[float] = []
    while sum(times) < seconds:
        blocks = prepared.pop() if prepared else _blocks(spec)
        started = time.perf_counter()
        with connection.transaction(), connection.cursor() as cursor:
            for (table, columns), block in zip(_TABLES.items(), blocks, strict=True):
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
                    copy.write(block)
            cursor.execute(_COUNT, {"tenant_id": spec.tenant, "events": spec.batch})
        times.append(time.perf_counter() - started)
    return times


def _blocks(spec: Spec) -> Blocks:
    """The rows of one transaction, as Postgres reads them."""
    new_key, new_body = key_maker(spec.keys), body_maker(spec.tenant, spec.keys)
    keys = sorted(new_key() for _ in range(spec.batch))
    ids = [UUID(new_id()).bytes for _ in keys]
    tenant, now, occurred = spec.tenant.encode(), _instant(datetime.now(UTC)), _instant(_OCCURRED)
    raw, gate, to_post = [_BEGIN], [_BEGIN], [_BEGIN]
    begin, received, native = _values(tenant), _values(now), _values(b"native")
    described = _values(b"SALE", b"store_001", b"pos_sim", b"1.0", occurred, None)
    processed, accepted = _values(b"processed", struct.pack("!q", 1), now, now), _values(b"accepted", now)
    for key, raw_id in zip(keys, ids, strict=True):
        digest, named, identity = os.urandom(32), _values(key), _values(raw_id)
        hashed = _values(digest)
        body = _values(digest, struct.pack("!h", 1), new_body(), digest, None, b"0123456789ab")
        raw.append(b"".join((b"\x00\x12", begin, identity, received, native, named, described, named, body)))
        gate.append(b"".join((b"\x00\x0c", begin, named, processed, identity, identity, hashed, hashed, accepted)))
        to_post.append(b"".join((b"\x00\x03", begin, identity, named)))
    batch = _BEGIN + b"\x00\x03" + _values(tenant, UUID(new_id()).bytes, _array(ids)) + _END
    return [b"".join((*raw, _END)), batch, b"".join((*gate, _END)), b"".join((*to_post, _END))]


def _values(*values: bytes | None) -> bytes:
    return b"".join(_each(values))


def _each(values: tuple[bytes | None, ...]) -> Iterator[bytes]:
    for value in values:
        yield b"\xff\xff\xff\xff" if value is None else struct.pack("!i", len(value)) + value


def _array(ids: list[bytes]) -> bytes:
    """A uuid[] of one dimension."""
    return struct.pack("!iiIii", 1, 0, _UUID_OID, len(ids), 1) + b"".join(struct.pack("!i", 16) + one for one in ids)


def _instant(instant: datetime) -> bytes:
    return struct.pack("!q", int((instant - _EPOCH).total_seconds() * 1_000_000))


if __name__ == "__main__":
    main()
