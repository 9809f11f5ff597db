"""The statements of schema jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from ledgersafe.db import arrays
from ledgersafe.db.database import Rows, Tx
from ledgersafe.db.sql import Statements

SQL = Statements(__package__ or "")

Outcome = Literal["succeeded", "failed"]
DeliveryState = Literal["pending", "delivered", "given_up"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that is ours to run. `attempts`: failed runs since the last good one."""

    job_name: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Job:
    """A row of jobs.jobs."""

    job_name: str
    due_at: datetime
    paused: bool
    leased_by: str | None
    leased_until: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Who runs which job of whom."""

    tenant_id: str
    job_name: str
    worker: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A subscription, without its secret. `pending`: messages that wait for it."""

    webhook_id: UUID
    url: str
    kinds: list[str]
    created_at: datetime
    created_by: str
    failing_since: datetime | None
    last_error: str | None
    disabled_at: datetime | None
    pending: int


@dataclass(frozen=True, slots=True)
class WebhookName:
    """Which webhook of whom."""

    tenant_id: str
    webhook_id: UUID

    def parameters(self) -> dict[str, object]:
        """As the statements name it."""
        return {"tenant_id": self.tenant_id, "webhook_id": self.webhook_id}


@dataclass(frozen=True, slots=True, repr=False)
class Receiver:
    """Where to send, and the key that signs; it is never shown, so it has no repr."""

    webhook_id: UUID
    url: str
    secret: bytes
    failing_since: datetime | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that is due. `attempts`: those that failed."""

    message_id: UUID
    kind: str
    body: str
    created_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message about to be queued. `body`: JSON text."""

    message_id: str
    body: str
    at: datetime


def ensure_job(tx: Tx, tenant_id: str, job_name: str, due_at: datetime) -> None:
    """Make a job, if it is not there."""
    tx.execute(SQL["ensure_job"], {"tenant_id": tenant_id, "job_name": job_name, "due_at": due_at})


def claim_due(tx: Tx, lease: Lease, now: datetime, leased_until: datetime, latest: datetime) -> Rows[Claimed]:
    """Take a job that is due and that nobody runs; no row where it is not to be had.

    `latest`: what is set for later than this was set by a clock that was wrong.
    """
    parameters = {
        "tenant_id": lease.tenant_id,
        "job_name": lease.job_name,
        "worker": lease.worker,
        "now": now,
        "leased_until": leased_until,
        "latest": latest,
    }
    return tx.query(Claimed, SQL["claim_due"], parameters)


def finish(tx: Tx, lease: Lease, due_at: datetime, attempts: int) -> None:
    """End the lease; the job is due again then."""
    parameters = {
        "tenant_id": lease.tenant_id,
        "job_name": lease.job_name,
        "worker": lease.worker,
        "due_at": due_at,
        "attempts": attempts,
    }
    tx.execute(SQL["finish"], parameters)


def insert_run(tx: Tx, tenant_id: str, run_id: str, job_name: str, started_at: datetime) -> None:
    """Note that a run began."""
    parameters = {"tenant_id": tenant_id, "run_id": run_id, "job_name": job_name, "started_at": started_at}
    tx.execute(SQL["insert_run"], parameters)


def end_run(tx: Tx, tenant_id: str, run_id: str, finished_at: datetime, outcome: Outcome, summary: str) -> None:
    """Note how a run ended."""
    parameters = {
        "tenant_id": tenant_id,
        "run_id": run_id,
        "finished_at": finished_at,
        "outcome": outcome,
        "summary": summary,
    }
    tx.execute(SQL["end_run"], parameters)


def jobs(tx: Tx, tenant_id: str) -> Rows[Job]:
    """Every job of a tenant."""
    return tx.query(Job, SQL["jobs"], {"tenant_id": tenant_id})


def insert_webhook(
    tx: Tx, name: WebhookName, url: str, kinds: Sequence[str], secret: bytes, actor: str, now: datetime, most: int
) -> Rows[UUID]:
    """Make a subscription; no row where the tenant has `most` already."""
    parameters = {"url": url, "kinds": list(kinds), "secret": secret, "actor": actor, "now": now, "most": most}
    return tx.scalars(UUID, SQL["insert_webhook"], name.parameters() | parameters)


def webhooks(tx: Tx, tenant_id: str) -> Rows[Webhook]:
    """The subscriptions of a tenant, disabled ones included."""
    return tx.query(Webhook, SQL["webhooks"], {"tenant_id": tenant_id})


def remove_webhook(tx: Tx, name: WebhookName, now: datetime) -> Rows[UUID]:
    """End a subscription; no row where there is none."""
    return tx.scalars(UUID, SQL["remove_webhook"], name.parameters() | {"now": now})


def give_up_deliveries(tx: Tx, name: WebhookName, now: datetime) -> None:
    """Send nothing of what waits."""
    tx.execute(SQL["give_up_deliveries"], name.parameters() | {"now": now})


def queue_deliveries(tx: Tx, tenant_id: str, kind: str, messages: Sequence[Message]) -> None:
    """Queue messages for whoever subscribes to the kind."""
    parameters = {
        "tenant_id": tenant_id,
        "kind": kind,
        "message_ids": arrays.ids(one.message_id for one in messages),
        "bodies": arrays.texts([one.body for one in messages]),
        "at": arrays.instants(one.at for one in messages),
    }
    tx.execute(SQL["queue_deliveries"], parameters)


def queue_test(tx: Tx, name: WebhookName, message_id: str, body: str, now: datetime) -> Rows[UUID]:
    """Queue a message that tells nothing; no row where the webhook takes none."""
    parameters = {"message_id": message_id, "body": body, "now": now}
    return tx.scalars(UUID, SQL["queue_test"], name.parameters() | parameters)


def due_webhooks(tx: Tx, now: datetime, latest: Sequence[datetime]) -> Rows[WebhookName]:
    """Those, of all tenants, for which a message is due.

    `latest`: by the number of attempts, the latest instant that a clock which is right makes a message due at.
    """
    return tx.query(WebhookName, SQL["due_webhooks"], {"now": now, "latest": arrays.instants(latest)})


def lock_webhook(tx: Tx, name: WebhookName) -> Rows[Receiver]:
    """Hold a webhook that takes messages until the transaction ends."""
    return tx.query(Receiver, SQL["lock_webhook"], name.parameters())


def next_delivery(tx: Tx, name: WebhookName, now: datetime, latest: Sequence[datetime]) -> Rows[Delivery]:
    """The message that is due longest. `latest`: as of due_webhooks."""
    return tx.query(Delivery, SQL["next_delivery"], name.parameters() | {"now": now, "latest": arrays.instants(latest)})


def take_delivery(tx: Tx, name: WebhookName, message_id: UUID, due_at: datetime) -> None:
    """Have a message for oneself until then."""
    tx.execute(SQL["take_delivery"], name.parameters() | {"message_id": message_id, "due_at": due_at})


def end_delivery(
    tx: Tx,
    name: WebhookName,
    message_id: UUID,
    state: DeliveryState,
    due_at: datetime,
    error: str | None,
    now: datetime,
) -> None:
    """Note what became of an attempt; one that stays pending is due then."""
    ended_at = None if state == "pending" else now
    parameters = {"message_id": message_id, "state": state, "due_at": due_at, "error": error, "ended_at": ended_at}
    tx.execute(SQL["end_delivery"], name.parameters() | parameters)


def postpone_deliveries(tx: Tx, name: WebhookName, until: datetime, latest: Sequence[datetime]) -> None:
    """Send nothing before then. `latest`: as of due_webhooks."""
    tx.execute(SQL["postpone_deliveries"], name.parameters() | {"until": until, "latest": arrays.instants(latest)})


def note_webhook(
    tx: Tx, name: WebhookName, failing_since: datetime | None, error: str | None, disabled_at: datetime | None
) -> None:
    """Note how a webhook is."""
    parameters = {"failing_since": failing_since, "error": error, "disabled_at": disabled_at}
    tx.execute(SQL["note_webhook"], name.parameters() | parameters)
