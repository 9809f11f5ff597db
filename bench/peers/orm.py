"""The usual way: FastAPI, pydantic models, and the asynchronous ORM of SQLAlchemy 2, a session a request.

Written as a competent developer would: keys are looked up once and held, the session is committed before the answer,
the driver is psycopg, the loop uvloop, the parser httptools. The same rows into the same tables.

Usage: python -m bench.peers.orm PORT.
"""

import os
import random
import sys
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import psycopg
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from starlette.responses import JSONResponse

from bench.peers.tables import ApiKey, Batch, Counters, ProcessedEvent, RawEvent, ToPost
from ledgersafe.kernel.ids import new_id

_CONNECTIONS = 16
_SLOTS = 64
_CENT = Decimal("0.01")
_held_keys: dict[str, ApiKey] = {}


async def _connect() -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(os.environ["LEDGERSAFE_DATABASE_URL"])


engine = create_async_engine(
    "postgresql+psycopg://", async_creator=_connect, pool_size=_CONNECTIONS, max_overflow=0, pool_timeout=30
)
new_session = async_sessionmaker(engine, expire_on_commit=False)


class LineItem(BaseModel):
    """A line of a sale."""

    model_config = ConfigDict(extra="allow")
    sku: str = Field(min_length=1)
    qty: Decimal
    amount: Decimal


class Event(BaseModel):
    """An event as sent."""

    model_config = ConfigDict(extra="allow")
    schema_version: Literal["1.0"]
    tenant_id: str = Field(min_length=1, max_length=255)
    store_id: str
    source_system: str
    event_id: str = Field(min_length=1, max_length=255)
    event_type: Literal["SALE", "RETURN"]
    occurred_at: AwareDatetime
    txn_id: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    total_amount: Decimal
    line_items: list[LineItem] = Field(min_length=1)


class Accepted(BaseModel):
    """The answer."""

    tenant_id: str
    idempotency_key: str
    raw_id: UUID
    result: str
    exception_id: UUID | None = None
    reason_code: str | None = None
    first_seen_at: datetime
    links: dict[str, str]


async def _key(authorization: Annotated[str, Header()]) -> ApiKey:
    if (held := _held_keys.get(authorization)) is not None:
        return held
    _, key_id, secret = authorization.removeprefix("Bearer ").split("_", 2)
    async with new_session() as session:
        key = await session.get(ApiKey, key_id)
    if key is None or sha256(secret.encode()).digest() != key.secret_sha256 or "ingest" not in key.scopes:
        raise HTTPException(401)
    _held_keys[authorization] = key
    return key


app = FastAPI()


@app.get("/readyz")
async def get_readyz() -> str:
    """Whether it runs."""
    return "ready"


@app.post("/v1/events", status_code=201)
async def post_event(event: Event, request: Request, key: Annotated[ApiKey, Depends(_key)]) -> Accepted:
    """Keep an event."""
    if key.tenant_ids is not None and event.tenant_id not in key.tenant_ids:
        raise HTTPException(403)
    if abs(sum(line.amount for line in event.line_items) - event.total_amount) > _CENT:
        raise HTTPException(422)
    body, now = await request.body(), datetime.now(UTC)
    canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    fingerprint, raw_id = sha256(canonical).digest(), UUID(new_id())
    async with new_session() as session:
        session.add_all(_rows(event, body, key, now, fingerprint, raw_id))
        await session.execute(_counted(event.tenant_id))
        try:
            await session.commit()
        except IntegrityError:
            return JSONResponse({"result": "duplicate"})  # type: ignore[return-value]
    return Accepted(
        tenant_id=event.tenant_id,
        idempotency_key=event.event_id,
        raw_id=raw_id,
        result="processed",
        first_seen_at=now,
        links={"event": f"/v1/events/{event.event_id}?tenant_id={event.tenant_id}"},
    )


def _rows(event: Event, body: bytes, key: ApiKey, now: datetime, fingerprint: bytes, raw_id: UUID) -> list[Any]:
    raw = RawEvent(
        tenant_id=event.tenant_id,
        raw_id=raw_id,
        received_at=now,
        door="native",
        event_id=event.event_id,
        event_type=event.event_type,
        store_id=event.store_id,
        source_system=event.source_system,
        schema_version=event.schema_version,
        occurred_at=event.occurred_at,
        txn_id=event.txn_id,
        payload_hash=fingerprint,
        canonical_version=1,
        body=body,
        body_sha256=sha256(body).digest(),
        key_id=key.key_id,
    )
    processed = ProcessedEvent(
        tenant_id=event.tenant_id,
        idempotency_key=event.event_id,
        status="processed",
        first_seen_at=now,
        last_seen_at=now,
        first_raw_id=raw_id,
        last_raw_id=raw_id,
        payload_hash_first=fingerprint,
        payload_hash_last=fingerprint,
        first_decision="accepted",
        processed_at=now,
    )
    batch = Batch(tenant_id=event.tenant_id, batch_id=UUID(new_id()), ids=[raw_id])
    return [raw, processed, batch, ToPost(tenant_id=event.tenant_id, raw_id=raw_id, idempotency_key=event.event_id)]


def _counted(tenant_id: str) -> Any:
    """One more event of the tenant, in any of its slots."""
    zero = {"quarantined": 0, "ignored": 0, "exceptions_open": 0}
    slot = random.randrange(_SLOTS)  # noqa: S311 - no secret
    one = insert(Counters).values(tenant_id=tenant_id, slot=slot, events_raw=1, processed=1, **zero)
    added = {"events_raw": Counters.events_raw + 1, "processed": Counters.processed + 1}
    return one.on_conflict_do_update(index_elements=["tenant_id", "slot"], set_=added)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
