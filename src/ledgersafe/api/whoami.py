"""/v1/whoami: as whom the API sees who asks; /v1/actors: what those are called who do things."""

from fastapi import APIRouter

from ledgersafe.api.dependencies import HasParts, Reader
from ledgersafe.api.shapes import Shape
from ledgersafe.pipeline.keys import actors

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


class ActorShape(Shape):
    """`actor`: as the audit log names it; `label`: what its key was called when it was made."""

    actor: str
    label: str


class ActorList(Shape):
    """The latest 10,000 at most."""

    items: list[ActorShape]


@router.get("/v1/actors", summary="What are those called who do things?")
def get_actors(parts: HasParts, credential: Reader) -> ActorList:
    """Of the keys that serve a tenant of the credential's by name; those of all tenants are told to such keys alone.

    A label is for people: it need not be unique.
    """
    named = actors(parts.database, credential)
    return ActorList(items=[ActorShape(actor=actor, label=label) for actor, label in named.items()])
