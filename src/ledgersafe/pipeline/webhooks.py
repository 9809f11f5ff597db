"""webhooks: who wants to be told of exceptions; and the sending of what is queued, one attempt at a time.

An attempt is two short transactions with the sending between them: take a message, then note what became of it. Who
dies in between leaves it to be taken again: a message comes at least once, always under the same id.
"""

import random
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import get_args
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from ledgersafe.audit import store as audit
from ledgersafe.db.database import Database
from ledgersafe.jobs import store as jobs
from ledgersafe.jobs.store import Delivery, Receiver, Webhook, WebhookName
from ledgersafe.kernel.clock import CLOCKS_DIFFER, Clock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.kernel.reasons import INVALID_PARAMETER, NOT_FOUND
from ledgersafe.pipeline.announce import Kind, message_body
from ledgersafe.pipeline.resolve import Operator

KINDS: tuple[str, ...] = get_args(Kind)
MOST_WEBHOOKS = 10
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix that Standard Webhooks gives secrets, not one
DELAYS = tuple(timedelta(seconds=s) for s in (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 72_000, 86_400))
"""How long to wait after each failed attempt; after the last one a message is given up, some three days on."""
DAYS_OF_FAILURE = timedelta(days=5)
_JITTER = 0.2
_LONGEST_PAUSE = DELAYS[1]
"""How long all messages of a webhook wait at most because one was not taken."""
_LEASE = timedelta(minutes=2)
_LONGEST_URL = 2_000
_LONGEST_NAME = 253
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Made:
    """A webhook just made; its secret is shown this once."""

    secret: str
    webhook: Webhook


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an attempt. `error`: None where the receiver took the message; `gone`: it wants no more."""

    error: str | None
    gone: bool = False


Send = Callable[[Receiver, Delivery, datetime], Attempt]


def add(database: Database, tenant_id: str, url: str, kinds: Sequence[str], by: Operator) -> Made:
    """Subscribe an address. Raises RequestRefused: an address or a kind that cannot be, or too many."""
    _check_url(url)
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        wrong = f"{', '.join(unknown)}: no such kind" if unknown else "kinds is empty"
        raise RequestRefused(INVALID_PARAMETER, f"{wrong}; there are {', '.join(KINDS)}.")
    name, secret = WebhookName(tenant_id, UUID(new_id())), secrets.token_bytes(32)
    chosen = sorted(set(kinds))
    with database.transaction() as tx:
        made = jobs.insert_webhook(tx, name, url, chosen, secret, by.credential.actor, by.now, MOST_WEBHOOKS).first()
        if made is None:
            raise RequestRefused(INVALID_PARAMETER, f"A tenant has {MOST_WEBHOOKS} webhooks at most: remove one.")
        audit.insert(tx, [_audit(name, "webhook.added", by, {"url": url, "kinds": chosen})])
        webhook = next(one for one in jobs.webhooks(tx, tenant_id).all() if one.webhook_id == name.webhook_id)
    return Made(SECRET_PREFIX + b64encode(secret).decode(), webhook)


def listed(database: Database, tenant_id: str) -> list[Webhook]:
    """The webhooks of a tenant, disabled ones included."""
    with database.snapshot() as tx:
        return jobs.webhooks(tx, tenant_id).all()


def remove(database: Database, name: WebhookName, by: Operator) -> None:
    """End a subscription; its secret is wiped. Raises RequestRefused(NOT_FOUND)."""
    with database.transaction() as tx:
        if jobs.remove_webhook(tx, name, by.now).first() is None:
            raise RequestRefused(NOT_FOUND, f"There is no webhook {name.webhook_id} of this tenant.")
        jobs.give_up_deliveries(tx, name, by.now)
        audit.insert(tx, [_audit(name, "webhook.removed", by, {})])


def send_test(database: Database, name: WebhookName, by: Operator) -> str:
    """Queue a message that tells nothing; its id. Raises RequestRefused(NOT_FOUND)."""
    body = message_body("webhook.test", by.now, {"tenant_id": name.tenant_id})
    with database.transaction() as tx:
        queued = jobs.queue_test(tx, name, new_id(), body, by.now).first()
        if queued is None:
            raise RequestRefused(NOT_FOUND, f"There is no webhook {name.webhook_id} of this tenant that is in use.")
        audit.insert(tx, [_audit(name, "webhook.tested", by, {"message_id": str(queued)})])
    return str(queued)


def due(database: Database, now: datetime) -> list[WebhookName]:
    """The webhooks, of all tenants, for which a message is due."""
    with database.snapshot() as tx:
        return jobs.due_webhooks(tx, now, _latest(now)).all()


def deliver_next(database: Database, name: WebhookName, clock: Clock, send: Send) -> bool:
    """One attempt at the next message of a webhook. Returns whether it was taken: the next may follow at once."""
    now = clock.now()
    with database.transaction() as tx:
        receiver = jobs.lock_webhook(tx, name).first()
        delivery = None if receiver is None else jobs.next_delivery(tx, name, now, _latest(now)).first()
        if receiver is None or delivery is None:
            return False
        jobs.take_delivery(tx, name, delivery.message_id, now + _LEASE)
    attempt = send(receiver, delivery, now)
    _note(database, name, delivery, attempt, clock.now())
    return attempt.error is None


def _note(database: Database, name: WebhookName, delivery: Delivery, attempt: Attempt, now: datetime) -> None:
    with database.transaction() as tx:
        receiver = jobs.lock_webhook(tx, name).first()
        if receiver is None:
            return  # it was removed meanwhile, and its messages given up
        if attempt.error is None:
            jobs.end_delivery(tx, name, delivery.message_id, "delivered", now, None, now)
            jobs.note_webhook(tx, name, None, None, None)
            return
        since = receiver.failing_since or now
        last = delivery.attempts >= len(DELAYS)
        next_at = now if last else now + _with_jitter(DELAYS[delivery.attempts])
        state: jobs.DeliveryState = "given_up" if last else "pending"
        jobs.end_delivery(tx, name, delivery.message_id, state, next_at, attempt.error, now)
        is_over = attempt.gone or now - since >= DAYS_OF_FAILURE
        jobs.note_webhook(tx, name, since, attempt.error, now if is_over else None)
        if is_over:
            jobs.give_up_deliveries(tx, name, now)
            facts = {"error": attempt.error, "failing_since": since}
            entry = audit.Entry(
                name.tenant_id, now, audit.SYSTEM, "webhook.disabled", "webhook", str(name.webhook_id), after=facts
            )
            audit.insert(tx, [entry])
        else:
            jobs.postpone_deliveries(tx, name, min(next_at, now + _LONGEST_PAUSE), _latest(now))


def _with_jitter(delay: timedelta) -> timedelta:
    """Up to a fifth more: receivers that come back are not asked by everybody at once."""
    return delay * (1 + random.random() * _JITTER)  # noqa: S311 - no secret hangs on it


def _latest(now: datetime) -> list[datetime]:
    """By the number of attempts, the latest instant that a clock which is right makes a message due at."""
    delays = [timedelta(0), *(delay * (1 + _JITTER) for delay in DELAYS)]
    return [now + max(delay, _LONGEST_PAUSE) + CLOCKS_DIFFER for delay in delays]


def _check_url(url: str) -> None:
    """Raises RequestRefused for what is not https, or http on loopback. Where it leads is judged at every sending."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RequestRefused(INVALID_PARAMETER, f"url cannot be read: {error}.") from None
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise RequestRefused(
            INVALID_PARAMETER, f"url must be ASCII, without blanks, {_LONGEST_URL} characters at most."
        )
    if not host or port == 0 or parts.username is not None or parts.fragment:
        raise RequestRefused(INVALID_PARAMETER, "url needs a host, and has no user, password or fragment.")
    if not _is_host(parts, host):
        raise RequestRefused(
            INVALID_PARAMETER,
            f"url has the host {_shown(parts)}, expected a DNS name (hooks.example.com), an IPv4 address in four "
            "decimal parts (203.0.113.7) or an IPv6 address in brackets ([2001:db8::7]).",
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise RequestRefused(INVALID_PARAMETER, "url must begin with https:// (or http:// on a loopback address).")


def _is_host(parts: SplitResult, host: str) -> bool:
    """Whether a host, in lower case and without brackets, can be read in one way only.

    A number such as 2130706433, 0x7f000001 or 127.1 is an address to some systems and a name to others.
    """
    if "[" in parts.netloc or "]" in parts.netloc:
        is_whole = re.fullmatch(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?", parts.netloc) is not None
        return is_whole and _is_address(IPv6Address, host)
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _is_address(IPv4Address, host)
    return len(host.removesuffix(".")) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)


def _is_address(kind: type[IPv4Address] | type[IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _shown(parts: SplitResult) -> str:
    """The host as it was given, cut where it is long."""
    return repr(parts.netloc if len(parts.netloc) <= 80 else f"{parts.netloc[:80]}…")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _audit(name: WebhookName, action: str, by: Operator, after: dict[str, object]) -> audit.Entry:
    subject = str(name.webhook_id)
    return audit.Entry(name.tenant_id, by.now, by.credential.actor, action, "webhook", subject, after=after)
