"""The API: FastAPI with a small raw application in front of it for the hot doors."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ledgersafe import __version__
from ledgersafe.api import (
    audit,
    bad_rows,
    bodies,
    bulk_runs,
    chart,
    datasets,
    events,
    exceptions,
    exports,
    file_rows,
    flow,
    health,
    ingestions,
    jobs,
    keys,
    ledger,
    receipts,
    reconciliation,
    reports,
    seals,
    stores,
    tenants,
    verify,
    webhooks,
    whoami,
)
from ledgersafe.api.authentication import Authentication, refresh_forever
from ledgersafe.api.dependencies import Landing, Parts
from ledgersafe.api.edge import Bounds, Edge
from ledgersafe.api.group_commit import GroupCommit, Limits
from ledgersafe.api.oidc import Issuer, People
from ledgersafe.api.openapi import document
from ledgersafe.api.problems import MEDIA_TYPE, as_refusal, is_unforeseen, problem_body, problem_headers
from ledgersafe.bootstrap import Runtime, files_from, seal_key_of
from ledgersafe.db.database import Database
from ledgersafe.db.errors import DatabaseError
from ledgersafe.kernel.canonical import read_json
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_PARAMETER, METHOD_NOT_ALLOWED, NOT_FOUND
from ledgersafe.pipeline.directory import REFRESH_SECONDS, Directory
from ledgersafe.settings import Settings

_log = structlog.get_logger()


def make_app(runtime: Runtime, queue_of: Callable[[Database, Limits], GroupCommit] = GroupCommit) -> Edge:
    """The whole API of one process. `queue_of`: what commits; benchmarks put slower ways in its place."""
    directory = Directory(runtime.database, runtime.clock)
    authentication = Authentication(
        directory, runtime.clock, is_on=runtime.settings.auth == "on", people=_people(runtime.settings)
    )
    queue = queue_of(runtime.database, _limits(runtime.settings))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        queue.start()
        refreshing = asyncio.create_task(refresh_forever(directory, REFRESH_SECONDS))
        yield
        refreshing.cancel()
        await queue.stop()

    app = FastAPI(
        title="Ledgersafe",
        version=__version__,
        description="Sales audit: every arrival is kept, posted exactly once, or parked with a reason.",
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere; /openapi.json opens in any viewer
        redoc_url=None,
        redirect_slashes=False,  # a redirect would go where the sender's Host header says
        dependencies=[Depends(_refuse_what_cannot_be_kept)],
    )
    chosen = runtime.settings
    seal_key = seal_key_of(chosen)
    app.state.parts = Parts(
        runtime.database, runtime.clock, authentication, chosen.future_seconds, seal_key, _landing(runtime)
    )
    for resource in (
        events,
        exceptions,
        bulk_runs,
        ledger,
        exports,
        chart,
        audit,
        bad_rows,
        bodies,
        datasets,
        file_rows,
        flow,
        health,
        ingestions,
        jobs,
        keys,
        receipts,
        reconciliation,
        reports,
        seals,
        stores,
        tenants,
        verify,
        webhooks,
        whoami,
    ):
        app.include_router(resource.router)
    for kind in (RequestRefused, DatabaseError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _refuse)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return Edge(app, authentication, queue, runtime.clock, _bounds(runtime.settings))


_READ_THEIR_OWN_BODY = (ingestions.post_ingestion, datasets.put_contract, datasets.post_validate)
"""Files of any size and of any bytes; and contracts, which are YAML, too."""


async def _refuse_what_cannot_be_kept(request: Request) -> None:
    """No text of Postgres holds a NUL, and what operators send is read as strictly as events are."""
    if "\x00" in request.url.path or b"%00" in request.scope["query_string"]:
        raise RequestRefused(INVALID_PARAMETER, "The address holds a NUL character (%00).")
    if request.scope["endpoint"] in _READ_THEIR_OWN_BODY:
        return
    body = await request.body()
    if b"\\u0000" in body:
        raise RequestRefused(INVALID_PARAMETER, "The body holds a NUL character (\\u0000).")
    if body and request.method != "GET" and read_json(body).canonical is None:
        raise RequestRefused(INVALID_PARAMETER, "A number of the body is held by no double: send it as a string.")


async def _refuse(request: Request, error: Exception) -> Response:
    """Every error of a FastAPI route, as a problem."""
    request_id: str = request.state.request_id
    refusal = as_refusal(_foreseen(error, request))
    if is_unforeseen(_foreseen(error, request)):
        _log.error("request_failed", request_id=request_id, path=request.url.path, exc_info=error)
    return Response(problem_body(refusal, request_id), refusal.reason.status, problem_headers(refusal), MEDIA_TYPE)


def _foreseen(error: Exception, request: Request) -> Exception:
    """The framework's own errors as ours."""
    if isinstance(error, RequestValidationError):
        return RequestRefused(INVALID_PARAMETER, "; ".join(_in_words(fault) for fault in error.errors()))
    if isinstance(error, HTTPException) and error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
        return RequestRefused(METHOD_NOT_ALLOWED, message, dict(error.headers or {}))
    if isinstance(error, HTTPException) and error.status_code == 404:
        return RequestRefused(NOT_FOUND, f"There is nothing at {request.url.path}.")
    if isinstance(error, HTTPException):
        return RequestRefused(INVALID_PARAMETER, str(error.detail))
    return error


def _in_words(fault: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}"


def _people(settings: Settings) -> People | None:
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    return People(Issuer(settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url))


def _landing(runtime: Runtime) -> Landing:
    chosen = runtime.settings
    return Landing(
        zone=runtime.raw_zone,
        max_bytes=chosen.max_file_bytes,
        folders=files_from(chosen),
        patience=chosen.body_timeout_seconds,
        event_bytes=chosen.max_event_bytes,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        events=settings.queue_events,
        events_per_tenant=settings.queue_events_per_tenant,
        total_bytes=settings.queue_megabytes * 1_048_576,
        events_per_commit=settings.commit_events,
        commit_seconds=settings.statement_timeout_seconds,
    )


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        event_bytes=settings.max_event_bytes,
        batch_bytes=settings.max_batch_bytes,
        batch_events=settings.max_batch_events,
        body_seconds=settings.body_timeout_seconds,
        future_seconds=settings.future_seconds,
    )
