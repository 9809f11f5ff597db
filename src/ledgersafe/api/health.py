"""/v1/health for people and dashboards, /readyz for orchestrators, /metrics for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ledgersafe import __version__
from ledgersafe.api.dependencies import HasParts, PerhapsReader
from ledgersafe.api.shapes import HealthAnswer, HealthCounts, IdempotencyCounts, TenantHealth
from ledgersafe.db.errors import DatabaseError
from ledgersafe.gate.store import Counts
from ledgersafe.pipeline.health import health, is_ready

router = APIRouter(tags=["health"])


@router.head("/v1/health", include_in_schema=False)
@router.get("/v1/health", summary="Is it well, and how much is there?", responses={503: {"model": HealthAnswer}})
def get_health(parts: HasParts, credential: PerhapsReader, response: Response) -> HealthAnswer:
    """With a key, the counts of its tenants; without one, only the status."""
    tenant_ids: tuple[str, ...] | None = () if credential is None else credential.tenant_ids
    try:
        found = health(parts.database, None if tenant_ids is None else list(tenant_ids))
    except DatabaseError:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
        return HealthAnswer(status="unavailable", db="down", version=__version__)
    answer = HealthAnswer(status="ok", db="up", db_time=found.db_time, version=__version__)
    if credential is not None:
        answer.counts = _counts(found.total)
        answer.tenants = [TenantHealth(tenant_id=row.tenant_id, **_counts(row).model_dump()) for row in found.tenants]
    return answer


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="May it be sent traffic?", responses={503: {"model": HealthAnswer}})
def get_readyz(parts: HasParts, response: Response) -> HealthAnswer:
    """200 once the database answers and has the schema."""
    try:
        is_ready(parts.database)
    except DatabaseError:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
        return HealthAnswer(status="unavailable", db="down", version=__version__)
    return HealthAnswer(status="ok", db="up", version=__version__)


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", summary="Prometheus metrics of this process", response_class=Response)
def get_metrics() -> Response:
    """No tenant and no secret is in them."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _counts(row: Counts) -> HealthCounts:
    return HealthCounts(
        events_raw=row.events_raw,
        exceptions_open=row.exceptions_open,
        idempotency=IdempotencyCounts(processed=row.processed, quarantined=row.quarantined, ignored=row.ignored),
    )
