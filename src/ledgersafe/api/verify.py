"""GET /v1/verify: what must always hold, held against the tables."""

from fastapi import APIRouter

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import HasParts, Reader, TenantParameter
from ledgersafe.api.shapes import TenantChecksShape, VerifyAnswer
from ledgersafe.pipeline.verify import verify

router = APIRouter(tags=["verify"])


@router.get("/v1/verify", summary="Does everything tie out?")
def get_verify(parts: HasParts, credential: Reader, tenant_id: TenantParameter = None) -> VerifyAnswer:
    """Counts rows, so it takes time on large tables. With an all-tenants key and no tenant_id: every tenant."""
    one = None if tenant_id is None and credential.tenant_ids is None else tenant_of(credential, tenant_id)
    tenants = [TenantChecksShape.model_validate(checks) for checks in verify(parts.database, one)]
    return VerifyAnswer(ok=all(check.ok for tenant in tenants for check in tenant.checks), tenants=tenants)
