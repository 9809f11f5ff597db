"""announce: who subscribes is told of an exception, by a message queued in the transaction that opens or closes it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import orjson

from ledgersafe.db.database import Tx
from ledgersafe.jobs import store as jobs
from ledgersafe.jobs.store import Message
from ledgersafe.kernel.ids import new_id
from ledgersafe.quarantine.store import NewException

Kind = Literal["exception.opened", "exception.resolved"]


class Told(msgspec.Struct, frozen=True):
    """What is told of one exception: why it was opened, or how it was resolved. Of the event, its key alone."""

    exception_id: str
    event_id: str
    at: datetime
    reason_code: str | None = None
    resolution: str | None = None


def told(opened: NewException) -> Told:
    """What is told of an exception that is opened."""
    return Told(opened.exception_id, opened.idempotency_key, opened.created_at, reason_code=opened.reason_code)


def announce(tx: Tx, tenant_id: str, kind: Kind, news: Sequence[Told]) -> None:
    """Queue a message for each of these and each subscriber: one statement, which may find that nobody subscribes."""
    if news:
        jobs.queue_deliveries(tx, tenant_id, kind, [_message(tenant_id, kind, one) for one in news])


def message_body(kind: str, at: datetime, data: dict[str, Any]) -> str:
    """A message as it is sent (Standard Webhooks: type, timestamp, data)."""
    return orjson.dumps({"type": kind, "timestamp": at.isoformat(), "data": data}).decode()


def _message(tenant_id: str, kind: Kind, news: Told) -> Message:
    whose = f"tenant_id={quote(tenant_id, safe='')}"
    why = {"reason_code": news.reason_code, "resolution": news.resolution}
    data: dict[str, Any] = {
        "tenant_id": tenant_id,
        "exception_id": news.exception_id,
        "event_id": news.event_id,
        **{name: value for name, value in why.items() if value is not None},
        "links": {
            "event": f"/v1/events/{quote(news.event_id, safe='')}?{whose}",
            "exception": f"/v1/exceptions/{news.exception_id}",
        },
    }
    return Message(new_id(), message_body(kind, news.at, data), news.at)
