"""The hot doors: a small raw ASGI application in front of FastAPI, which would halve what they can take.

Everything that is not one of its routes goes to the application behind it. api/openapi.py documents these routes too.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson
import structlog

from ledgersafe.api import metrics
from ledgersafe.api.answers import event_answer, item_answer, scout_answer
from ledgersafe.api.authentication import Authentication, tenant_of
from ledgersafe.api.batch_body import LINES, items_of
from ledgersafe.api.body import KEPT_OF_REFUSED_BODIES, ClientGone, Receive, RefusedBody, Scope, Send, read_body
from ledgersafe.api.group_commit import GroupCommit
from ledgersafe.api.problems import MEDIA_TYPE, as_refusal, is_unforeseen, problem_body, problem_headers
from ledgersafe.api.protocol import BODY_IS_HERE
from ledgersafe.bronze.store import Rejected
from ledgersafe.contracts import doors
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.errors import RequestRefused, let_go
from ledgersafe.kernel.ids import new_id
from ledgersafe.kernel.reasons import METHOD_NOT_ALLOWED, TOO_LARGE
from ledgersafe.pipeline.accept import Outcome
from ledgersafe.pipeline.arrival import Arrival, Mapped, Parcel, judged, read
from ledgersafe.tenants.rules import SYSTEM_TENANT, Credential

EVENTS = "/v1/events"
BATCH = "/v1/events:batch"
SCOUT = "/functions/v1/ingest-transaction"
UPLOAD = "/v1/ingestions"
_METHODS = {EVENTS: "POST", BATCH: "POST", SCOUT: "POST, OPTIONS", "/livez": "GET, HEAD"}
_NOT_NOW = 503
_CHUNK = 50  # a batch takes its turn like everybody, so its turns are short
_CHUNKS_AT_ONCE = 5  # read while those before them are being committed
_EVENTS_BETWEEN_PAUSES = 6
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, content-type, x-client-info, apikey",
    "Access-Control-Max-Age": "86400",
}
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger()

App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large and how slow a request may be. `future_seconds`: how far an event may lie ahead of our clock."""

    event_bytes: int
    batch_bytes: int
    batch_events: int
    body_seconds: float
    future_seconds: float


@dataclass(slots=True)
class Request:
    """One request on its way: what is known of it so far, for the answer and for what is kept if it is refused."""

    scope: Scope
    receive: Receive
    door: str
    request_id: str
    headers: dict[bytes, bytes]
    credential: Credential | None = None
    body: bytes = b""
    body_size: int | None = None
    tenant_id: str | None = None

    def header(self, name: bytes) -> str | None:
        """A header as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def parameter(self, name: str) -> str | None:
        """A query parameter."""
        return parse_qs(self.scope["query_string"].decode("latin-1")).get(name, [None])[0]


class Answer(msgspec.Struct, frozen=True):
    """What goes back."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: dict[str, str] = {}


Handler = Callable[[Request], Awaitable[Answer]]


class Edge:
    """The raw application. `behind`: what takes every other route."""

    def __init__(
        self, behind: App, authentication: Authentication, queue: GroupCommit, clock: Clock, bounds: Bounds
    ) -> None:
        self._behind = behind
        self._authentication = authentication
        self._queue = queue
        self._clock = clock
        self._bounds = bounds
        self._reading = asyncio.Lock()
        self._routes: dict[tuple[str, str], tuple[str, Handler]] = {
            ("POST", EVENTS): (doors.NATIVE, self._event),
            ("POST", BATCH): ("batch", self._batch),
            ("POST", SCOUT): (doors.SCOUT, self._scout),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            return await self._behind(scope, receive, send)
        method, path = scope["method"], scope["path"]
        if (route := self._routes.get((method, path))) is not None:
            return await self._serve(scope, receive, send, *route)
        if path == "/livez" and method in ("GET", "HEAD"):
            return await _send(send, Answer(200, b'{"status":"live"}'), new_id())
        if path == SCOUT and method == "OPTIONS":
            return await _send(send, Answer(204, b"", headers=_CORS), new_id())
        if (allowed := _METHODS.get(path)) is not None:
            return await _send(send, *_method_not_allowed(scope, allowed))
        return await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every other route: who it is comes first, and no body but a file is larger than an event may be."""
        headers = dict(scope["headers"])
        request = Request(scope, receive, "api", _request_id(headers), headers)
        scope.setdefault("state", {})["request_id"] = request.request_id
        try:
            if scope["path"].startswith("/v1/") and scope["path"] != "/v1/health":
                await self._authentication.credential(request.header(b"authorization"), None)
            is_file = (scope["method"], scope["path"]) == ("POST", UPLOAD)  # it is bounded where it is written
            bounded = receive if is_file else _bounded(receive, headers, self._bounds.event_bytes)
        except Exception as error:  # noqa: BLE001 - every error is mapped here, once
            await _send(send, await self._refuse(request, error), request.request_id)
        else:
            await self._behind(scope, bounded, _with_request_id(send, request.request_id))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, door: str, handler: Handler) -> None:
        headers = dict(scope["headers"])
        request = Request(scope, receive, door, _request_id(headers), headers)
        try:
            answer = await handler(request)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - every error is mapped here, once
            answer = await self._refuse(request, error)
            let_go(error)
        await _send(send, answer, request.request_id)

    async def _event(self, request: Request) -> Answer:
        """POST /v1/events: one event, native or a CloudEvent; or a CloudEvents batch."""
        media_type = _media_type(request)
        if media_type == "application/cloudevents-batch+json" or media_type in LINES:
            return await self._batch(request)
        if media_type == "application/cloudevents+json":
            request.door = doors.CLOUDEVENTS_STRUCTURED
        elif b"ce-specversion" in request.headers or b"ce-id" in request.headers:
            request.door = doors.CLOUDEVENTS_BINARY
        outcome = await self._single(request)
        return Answer(outcome.status, orjson.dumps(event_answer(outcome)))

    async def _scout(self, request: Request) -> Answer:
        """POST /functions/v1/ingest-transaction: the Scout shape, with its own answers and CORS."""
        outcome = await self._single(request)
        return Answer(outcome.status, orjson.dumps(scout_answer(outcome)), headers=_CORS)

    async def _single(self, request: Request) -> Outcome:
        credential = await self._authenticate(request)
        default_tenant = tenant_of(credential, request.parameter("tenant_id")) if request.door == doors.SCOUT else ""
        await self._read_body(request, self._bounds.event_bytes)
        ce_headers = _ce_headers(request) if request.door == doors.CLOUDEVENTS_BINARY else {}
        doors.cloudevents.check_headers(ce_headers)
        parcel = Parcel(request.door, credential, self._clock.now(), ce_headers)
        mapped = read(parcel, request.body, default_tenant)
        (decided,) = await self._queue.submit([await self._judged(mapped)])
        if isinstance(decided, RequestRefused):
            raise decided
        return decided

    async def _batch(self, request: Request) -> Answer:
        """POST /v1/events:batch: NDJSON, a JSON array or a CloudEvents batch; one answer an item, in order."""
        request.door = doors.NATIVE
        if _media_type(request) == "application/cloudevents-batch+json":
            request.door = doors.CLOUDEVENTS_STRUCTURED
        credential = await self._authenticate(request)
        await self._read_body(request, self._bounds.batch_bytes)
        bodies = items_of(request.body, _media_type(request), self._bounds.batch_events)
        results = [item async for item in self._decided_items(request, credential, bodies)]
        not_now = [one for one in results if isinstance(one, RequestRefused) and one.reason.status == _NOT_NOW]
        if len(not_now) == len(results):
            raise not_now[0]  # none was taken: who looks at the status alone is to send all of it again
        answers = [item_answer(index, decided) for index, decided in enumerate(results)]
        return Answer(200, orjson.dumps({"results": answers}), headers=not_now[0].headers if not_now else {})

    async def _decided_items(
        self, request: Request, credential: Credential, bodies: Sequence[bytes]
    ) -> AsyncIterator[Outcome | RequestRefused]:
        """Each item's fate, in order; the next chunks are read while others are being committed."""
        pending: deque[asyncio.Task[list[Outcome | RequestRefused]]] = deque()
        for start in range(0, len(bodies), _CHUNK):
            async with self._reading:  # one batch at a time, so that others' turns come as often as with one
                chunk = await self._read_items(request, credential, bodies[start : start + _CHUNK])
            pending.append(asyncio.create_task(self._commit_items(request, credential, chunk)))
            if len(pending) > _CHUNKS_AT_ONCE:
                for decided in await pending.popleft():
                    yield decided
        while pending:
            for decided in await pending.popleft():
                yield decided

    async def _read_items(
        self, request: Request, credential: Credential, bodies: Sequence[bytes]
    ) -> list[tuple[bytes, Arrival | RequestRefused]]:
        parcel = Parcel(request.door, credential, self._clock.now())
        items: list[tuple[bytes, Arrival | RequestRefused]] = []
        for index, body in enumerate(bodies):
            if index % _EVENTS_BETWEEN_PAUSES == _EVENTS_BETWEEN_PAUSES - 1:
                await asyncio.sleep(0)  # other requests have their turn
            try:
                if len(body) > self._bounds.event_bytes:
                    raise RequestRefused(TOO_LARGE, f"The event is larger than {self._bounds.event_bytes} bytes.")
                items.append((body, await self._judged(read(parcel, body))))
            except RequestRefused as refusal:
                items.append((body, let_go(refusal)))
        return items

    async def _commit_items(
        self, request: Request, credential: Credential, items: Sequence[tuple[bytes, Arrival | RequestRefused]]
    ) -> list[Outcome | RequestRefused]:
        arrivals = [item for _, item in items if isinstance(item, Arrival)]
        refused = [item for item in items if not isinstance(item[1], Arrival)]
        decided, keeping = await asyncio.gather(self._submit(arrivals), self._keep(request, credential, refused))
        kept, following = iter(keeping), iter(decided)
        results = [next(following) if isinstance(item, Arrival) else next(kept) for _, item in items]
        for result in results:
            if isinstance(result, RequestRefused):
                metrics.REFUSED.labels(result.reason.code).inc()
        return results

    async def _submit(self, arrivals: Sequence[Arrival]) -> Sequence[Outcome | RequestRefused]:
        try:
            return await self._queue.submit(arrivals) if arrivals else []
        except RequestRefused as refusal:
            return [let_go(refusal)] * len(arrivals)

    async def _judged(self, mapped: Mapped) -> Arrival:
        tenant = await self._authentication.tenant(mapped.tenant_id)
        return judged(mapped, tenant, self._bounds.future_seconds)

    async def _authenticate(self, request: Request) -> Credential:
        request.credential = await self._authentication.credential(request.header(b"authorization"), "ingest")
        return request.credential

    async def _read_body(self, request: Request, most: int) -> None:
        try:
            request.body = await read_body(
                request.receive,
                request.headers,
                most,
                self._bounds.body_seconds,
                is_here=BODY_IS_HERE in request.scope,
            )
            request.body_size = len(request.body)
        except RefusedBody as refused:
            request.body, request.body_size = refused.beginning, refused.size
            raise refused.refusal from None

    async def _refuse(self, request: Request, error: Exception) -> Answer:
        """The answer to a request that failed; an authenticated body is kept first."""
        refusal = as_refusal(error)
        if is_unforeseen(error):
            _log.error("request_failed", request_id=request.request_id, path=request.scope["path"], exc_info=error)
        elif request.credential is not None:
            (refusal,) = await self._keep(request, request.credential, [(request.body, refusal)])
        metrics.REFUSED.labels(refusal.reason.code).inc()
        if request.door == doors.SCOUT:
            body = {"ok": False, "error": refusal.detail, "reason_code": refusal.reason.code}
            status = 400 if refusal.reason.status == 422 else refusal.reason.status  # this door knows no 422
            return Answer(status, orjson.dumps(body), headers=_CORS | problem_headers(refusal))
        body = problem_body(refusal, request.request_id)
        return Answer(refusal.reason.status, body, MEDIA_TYPE, problem_headers(refusal))

    async def _keep(
        self, request: Request, credential: Credential, refused: Sequence[tuple[bytes, Arrival | RequestRefused]]
    ) -> list[RequestRefused]:
        """Keep refused bodies; what is to be answered: each refusal, or that it could not be kept (send again)."""
        refusals = [refusal for _, refusal in refused if isinstance(refusal, RequestRefused)]
        rows = [
            self._rejected(request, credential, body, refusal)
            for (body, _), refusal in zip(refused, refusals, strict=True)
            if refusal.reason.status < 500 and body
        ]
        try:
            if rows:
                await self._queue.keep_rejected(rows)
        except RequestRefused as not_kept:
            return [let_go(not_kept)] * len(refusals)
        return refusals

    def _rejected(self, request: Request, credential: Credential, body: bytes, refusal: RequestRefused) -> Rejected:
        return Rejected(
            tenant_id=credential.only_tenant() or SYSTEM_TENANT,
            rejected_id=new_id(),
            received_at=self._clock.now(),
            door=request.door,
            key_id=credential.key_id,
            reason_code=refusal.reason.code,
            detail=refusal.detail.replace("\x00", "\\0"),
            body=body[:KEPT_OF_REFUSED_BODIES],
            body_bytes=request.body_size if body is request.body else len(body),
        )


def _method_not_allowed(scope: Scope, allowed: str) -> tuple[Answer, str]:
    request_id = new_id()
    message = f"{scope['path']} does not take {scope['method']}."
    refusal = RequestRefused(METHOD_NOT_ALLOWED, message, {"Allow": allowed})
    return Answer(405, problem_body(refusal, request_id), MEDIA_TYPE, refusal.headers), request_id


async def _send(send: Send, answer: Answer, request_id: str) -> None:
    headers = [
        (b"content-type", answer.media_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request_id.encode("latin-1")),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _media_type(request: Request) -> str:
    value = request.headers.get(b"content-type", b"application/json")
    return value.split(b";", 1)[0].strip().lower().decode("latin-1")


def _ce_headers(request: Request) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in request.headers.items()
        if name.startswith(b"ce-")
    }


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id")
    return given.decode("latin-1") if given is not None and _REQUEST_ID.fullmatch(given) else new_id()


def _bounded(receive: Receive, headers: dict[bytes, bytes], most: int) -> Receive:
    """A body that ends with an error where it grows too large. Raises RequestRefused(TOO_LARGE)."""
    refusal = RequestRefused(TOO_LARGE, f"The body is larger than {most} bytes.", {"Connection": "close"})
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > most:
        raise refusal
    size = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise refusal
        return message

    return counted


def _with_request_id(send: Send, request_id: str) -> Send:
    """Every answer says which request it is to, so that a sender's line and ours can be found together."""

    async def named(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("latin-1"))]
        await send(message)

    return named
