"""The statements of schema jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    """A row of jobs.jobs, with the latest of its runs: None where it never ran. `attempts`: failures in a row.

    `runs_every`: None where no worker has said, or none that still runs knows the job.
    """

    job_name: str
    runs_every: timedelta | None
    due_at: datetime
    paused: bool
    leased_by: str | None
    leased_until: datetime | None
    attempts: int
    run_id: UUID | None
    started_at: datetime | None
    finished_at: datetime | None
    outcome: Outcome | None
    summary: str | None

    def last_run(self) -> "JobRun | None":
        """The latest of its runs."""
        if self.run_id is None or self.started_at is None:
            return None
        return JobRun(self.run_id, self.started_at, self.finished_at, self.outcome, self.summary)


@dataclass(frozen=True, slots=True)
class JobRun:
    """A row of jobs.runs. Without an outcome it is under way, or its worker died."""

    run_id: UUID
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class JobState:
    """Whether a job is paused, and until when a worker has it."""

    paused: bool
    leased_until: datetime | None


@dataclass(frozen=True, slots=True)
class FileDeliveries:
    """Files that wait for a worker, those that are held for a person, and those of which some rows are."""

    waiting: int
    oldest_waiting_at: datetime | None
    held: int
    with_open_rows: int


@dataclass(frozen=True, slots=True)
class WebhooksInTrouble:
    """Webhooks that fail, since when the first of them does, and those that were given up."""

    failing: int
    failing_since: datetime | None
    disabled: int


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


def ensure_job(tx: Tx, tenant_id: str, job_name: str, runs_every: timedelta, due_at: datetime) -> None:
    """Make a job, if it is not there; if it is, note how often it runs."""
    parameters = {"tenant_id": tenant_id, "job_name": job_name, "runs_every": runs_every, "due_at": due_at}
    tx.execute(SQL["ensure_job"], parameters)


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


def jobs(tx: Tx, tenant_id: str, job_name: str | None = None) -> Rows[Job]:
    """Every job of a tenant, or one of them."""
    return tx.query(Job, SQL["jobs"], {"tenant_id": tenant_id, "job_name": job_name})


def lock_job(tx: Tx, tenant_id: str, job_name: str) -> Rows[JobState]:
    """Hold a job until the transaction ends; no row where there is none of that name."""
    return tx.query(JobState, SQL["lock_job"], {"tenant_id": tenant_id, "job_name": job_name})


def set_paused(tx: Tx, tenant_id: str, job_name: str, *, paused: bool) -> None:
    """Have no worker take a job, or have them take it again."""
    tx.execute(SQL["set_paused"], {"tenant_id": tenant_id, "job_name": job_name, "paused": paused})


def make_due(tx: Tx, tenant_id: str, job_name: str, now: datetime) -> None:
    """Have the next worker that looks take a job."""
    tx.execute(SQL["make_due"], {"tenant_id": tenant_id, "job_name": job_name, "now": now})


def runs(tx: Tx, tenant_id: str, job_name: str, after: tuple[datetime, UUID] | None, most: int) -> Rows[JobRun]:
    """One page of the runs of a job, latest first. `after`: (started_at, run_id) of the last one seen."""
    after_time, after_id = after or (None, None)
    parameters = {"job_name": job_name, "after_time": after_time, "after_id": after_id, "most": most}
    return tx.query(JobRun, SQL["runs"], {"tenant_id": tenant_id} | parameters)


def file_deliveries(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[FileDeliveries]:
    """What waits of delivered files; always one row."""
    return tx.query(FileDeliveries, SQL["file_deliveries"], {"tenant_ids": tenant_ids})


def webhooks_in_trouble(tx: Tx, tenant_ids: Sequence[str] | None) -> Rows[WebhooksInTrouble]:
    """How many webhooks do not get through; always one row."""
    return tx.query(WebhooksInTrouble, SQL["webhooks_in_trouble"], {"tenant_ids": tenant_ids})


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
