"""/v1/whoami: as whom the API sees who asks."""

from fastapi import APIRouter

from ledgersafe.api.dependencies import Reader
from ledgersafe.api.shapes import Shape

router = APIRouter(tags=["keys"])


class WhoAnswer(Shape):
    """A credential, without its secret. `actor`: as the audit log names it. `tenant_ids`: null serves all tenants."""

    actor: str
    tenant_ids: list[str] | None
    scopes: list[str]


@router.get("/v1/whoami", summary="Who am I?")
def get_whoami(credential: Reader) -> WhoAnswer:
    """What a program that signs people in needs to know of the key that it was given."""
    tenant_ids = None if credential.tenant_ids is None else list(credential.tenant_ids)
    return WhoAnswer(actor=credential.actor, tenant_ids=tenant_ids, scopes=sorted(credential.scopes))
