"""/v1/webhooks: who is told of exceptions."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from ledgersafe.api.authentication import tenant_of
from ledgersafe.api.dependencies import Administrator, HasParts, TenantParameter
from ledgersafe.api.shapes import Shape, Wish
from ledgersafe.jobs.store import WebhookName
from ledgersafe.pipeline import webhooks

router = APIRouter(tags=["webhooks"])
Kinds = Annotated[
    list[Literal["exception.opened", "exception.resolved"]], Field(min_length=1, description="What to be told.")
]


class WebhookShape(Shape):
    """A webhook; `pending` messages wait for it, `failing_since` and `last_error` say how it is."""

    webhook_id: UUID
    url: str
    kinds: list[str]
    created_at: datetime
    created_by: str
    failing_since: datetime | None
    last_error: str | None
    disabled_at: datetime | None
    pending: int


class WebhookList(Shape):
    """The webhooks of a tenant."""

    items: list[WebhookShape]


class MadeWebhook(Shape):
    """A webhook just made; its secret is shown this once."""

    secret: str
    webhook: WebhookShape


class WebhookWish(Wish):
    """Where to send, and what. https, or http on a loopback address."""

    url: str = Field(max_length=2000)
    kinds: Kinds = ["exception.opened", "exception.resolved"]


class Removed(Shape):
    """It is gone, and its secret with it."""

    removed: bool


class Tested(Shape):
    """The id of the message that is on its way."""

    message_id: UUID


@router.post("/v1/webhooks", status_code=201, summary="Add a webhook")
def post_webhook(
    parts: HasParts, credential: Administrator, wish: WebhookWish, tenant_id: TenantParameter = None
) -> MadeWebhook:
    """Messages are signed as Standard Webhooks says. The secret is shown this once."""
    by, whose = parts.operator(credential), tenant_of(credential, tenant_id)
    made = webhooks.add(parts.database, whose, wish.url, wish.kinds, by)
    return MadeWebhook(secret=made.secret, webhook=WebhookShape.model_validate(made.webhook))


@router.get("/v1/webhooks", summary="List webhooks")
def get_webhooks(parts: HasParts, credential: Administrator, tenant_id: TenantParameter = None) -> WebhookList:
    """Disabled ones included."""
    rows = webhooks.listed(parts.database, tenant_of(credential, tenant_id))
    return WebhookList(items=[WebhookShape.model_validate(row) for row in rows])


@router.delete("/v1/webhooks/{webhook_id}", summary="Remove a webhook")
def delete_webhook(
    parts: HasParts, credential: Administrator, webhook_id: UUID, tenant_id: TenantParameter = None
) -> Removed:
    """What waited for it is not sent."""
    webhooks.remove(
        parts.database, WebhookName(tenant_of(credential, tenant_id), webhook_id), parts.operator(credential)
    )
    return Removed(removed=True)


@router.post("/v1/webhooks/{webhook_id}/test", status_code=202, summary="Send a webhook a message that tells nothing")
def post_test(
    parts: HasParts, credential: Administrator, webhook_id: UUID, tenant_id: TenantParameter = None
) -> Tested:
    """A worker sends it; the list says what became of it."""
    name = WebhookName(tenant_of(credential, tenant_id), webhook_id)
    return Tested(message_id=UUID(webhooks.send_test(parts.database, name, parts.operator(credential))))
