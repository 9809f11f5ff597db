"""Webhooks: queued with what they tell, signed, tried again, given up, and never sent to where they must not go."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ledgersafe.db.database import Database
from ledgersafe.jobs.store import WebhookName
from ledgersafe.kernel.clock import ManualClock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.pipeline import accept as accepting
from ledgersafe.pipeline import webhooks
from ledgersafe.pipeline.resolve import Operator, Wish, resolve
from ledgersafe.worker import sending
from ledgersafe.worker.deliveries import Deliveries
from tests.conftest import TestDatabase
from tests.pipeline.arrivals import ANYBODY, accepted
from tests.pipeline.posting import Till
from tests.worker.receiver import Receiver, receiving


@pytest.fixture(scope="module")
def books(new_database: Callable[[], TestDatabase]) -> TestDatabase:
    return new_database()


@pytest.fixture(scope="module")
def db(books: TestDatabase) -> Iterator[Database]:
    opened = books.open()
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@dataclass(slots=True)
class Hook:
    """A webhook of a tenant of the test's own, with its receiver, and a clock that is moved by hand."""

    till: Till
    name: WebhookName
    receiver: Receiver
    clock: ManualClock
    send: webhooks.Send

    def deliver(self) -> bool:
        return webhooks.deliver_next(self.till.db, self.name, self.clock, self.send)

    def wait(self, by: timedelta) -> None:
        self.clock.move_to(self.clock.now() + by)

    def seen(self) -> Any:
        return next(
            one for one in webhooks.listed(self.till.db, self.till.tenant) if one.webhook_id == self.name.webhook_id
        )

    def deliveries(self) -> list[tuple[str, str, int]]:
        """(kind, state, attempts) of each, in order."""
        sql = "SELECT kind, state, attempts FROM jobs.deliveries WHERE tenant_id = %s AND webhook_id = %s ORDER BY created_at, message_id"
        return self.till.rows(sql, self.name.webhook_id)

    def due_in(self) -> list[float]:
        sql = "SELECT due_at FROM jobs.deliveries WHERE tenant_id = %s AND state = 'pending' ORDER BY due_at"
        return [(at - self.clock.now()).total_seconds() for (at,) in self.till.rows(sql)]


def operator(now: datetime | None = None) -> Operator:
    return Operator(ANYBODY, now or datetime.now(UTC), 600)


@pytest.fixture
def hook(db: Database, books: TestDatabase, tenant: str, receiver: Receiver) -> Iterator[Hook]:
    with psycopg.connect(books.superuser_url, autocommit=True) as superuser:
        till = Till(db, superuser, tenant, datetime.now(UTC))
        made = webhooks.add(db, tenant, f"{receiver.url}/hook", webhooks.KINDS, operator())
        receiver.secret = made.secret
        send = sending.sender(private=True, seconds=1.5)
        clock = ManualClock(datetime.now(UTC) + timedelta(seconds=1))
        yield Hook(till, WebhookName(tenant, made.webhook.webhook_id), receiver, clock, send)


def faulty(till: Till, name: str) -> dict[str, Any]:
    return till.sold(name, total_amount="1")


def test_what_is_opened_before_the_answer_is_told(hook: Hook) -> None:
    (outcome,) = accepted(hook.till.db, [faulty(hook.till, "a secret/ä")])
    assert hook.deliver()
    assert not hook.deliver()
    ((message_id, told, headers),) = hook.receiver.got
    assert hook.receiver.refused == []
    assert told["type"] == "exception.opened"
    assert told["data"] == {
        "tenant_id": hook.till.tenant,
        "exception_id": outcome.exception_id,
        "event_id": "a secret/ä",
        "reason_code": "TOTALS_MISMATCH",
        "links": {
            "event": f"/v1/events/a%20secret%2F%C3%A4?tenant_id={hook.till.tenant}",
            "exception": f"/v1/exceptions/{outcome.exception_id}",
        },
    }
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    assert UUID(message_id)
    assert headers["content-type"] == "application/json"
    assert hook.deliveries() == [("exception.opened", "delivered", 1)]


def test_what_is_found_after_the_answer_is_told_and_how_it_ends(hook: Hook) -> None:
    """A return that waits for its original: opened by posting, released by the original; and an operator's decision."""
    hook.till.send(hook.till.returned())
    hook.till.send(hook.till.sold())
    (outcome,) = accepted(hook.till.db, [faulty(hook.till, "f")])
    wish = Wish("mark_resolved_no_replay", "test data")
    resolve(hook.till.db, UUID(str(outcome.exception_id)), wish, operator())
    hook.wait(timedelta(seconds=30))
    while hook.deliver():
        pass
    told = sorted(
        (it["type"], it["data"].get("reason_code"), it["data"].get("resolution")) for _, it, _ in hook.receiver.got
    )
    assert told == [
        ("exception.opened", "MISSING_REFERENCE", None),
        ("exception.opened", "TOTALS_MISMATCH", None),
        ("exception.resolved", None, "ignored"),
        ("exception.resolved", None, "released"),
    ]
    assert hook.receiver.refused == []


def test_only_what_was_subscribed_to_and_of_ones_own(hook: Hook, db: Database) -> None:
    also = webhooks.add(db, hook.till.tenant, "https://example.invalid/x", ["exception.resolved"], operator())
    other = Till(db, hook.till.superuser, f"{hook.till.tenant}-other", hook.till.now)
    accepted(db, [faulty(other, "theirs")])
    assert hook.deliveries() == []
    accepted(db, [faulty(hook.till, "mine")])
    assert len(hook.deliveries()) == 1
    (pending,) = [
        one.pending for one in webhooks.listed(db, hook.till.tenant) if one.webhook_id == also.webhook.webhook_id
    ]
    assert pending == 0
    assert other.count("jobs.deliveries") == 0


def test_a_message_goes_with_the_exception_or_not_at_all(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(accepting.audit, "insert", breaks)
    with pytest.raises(RuntimeError, match="planted"):
        accepted(hook.till.db, [faulty(hook.till, "f")])
    assert hook.till.count("quarantine.exceptions") == 0
    assert hook.deliveries() == []


def test_failures_are_tried_again_later_and_later_under_the_same_id(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, "f")])
    hook.receiver.answers = [500] * 20
    waits: list[float] = []
    for _ in webhooks.DELAYS:
        assert not hook.deliver()
        assert not hook.deliver(), "it is not due yet"
        (due,) = hook.due_in()
        waits.append(due)
        hook.wait(timedelta(seconds=due + 1))
    for waited, delay in zip(waits, webhooks.DELAYS, strict=True):
        assert delay.total_seconds() - 1 <= waited <= delay.total_seconds() * 1.2 + 1
    assert hook.seen().last_error == "HTTP 500"
    assert not hook.deliver()
    assert hook.deliveries() == [("exception.opened", "given_up", len(webhooks.DELAYS) + 1)]
    assert len(set(hook.receiver.ids())) == 1
    assert len(hook.receiver.ids()) == len(webhooks.DELAYS) + 1


def test_a_receiver_that_comes_back_gets_everything(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, f"f{n}") for n in range(5)])
    hook.receiver.answers = [503]
    assert not hook.deliver()
    assert not hook.deliver(), "the others wait too: it is down"
    hook.wait(timedelta(minutes=6))
    while hook.deliver():
        pass
    assert {state for _, state, _ in hook.deliveries()} == {"delivered"}
    assert len(set(hook.receiver.ids())) == 5
    assert hook.seen().failing_since is None
    assert hook.seen().last_error is None


def test_days_of_failure_disable_it_on_record(hook: Hook) -> None:
    hook.receiver.answers = [500] * 20
    for number in range(4):
        accepted(hook.till.db, [faulty(hook.till, f"f{number}")])
        assert not hook.deliver()
        hook.wait(timedelta(days=2))
    assert hook.seen().disabled_at is not None
    assert {state for _, state, _ in hook.deliveries()} == {"given_up"}
    accepted(hook.till.db, [faulty(hook.till, "later")])
    assert len(hook.deliveries()) == 4
    actions = [
        row[0]
        for row in hook.till.rows(
            "SELECT action FROM audit.audit_log WHERE tenant_id = %s AND object_type = 'webhook' ORDER BY audit_id"
        )
    ]
    assert actions == ["webhook.added", "webhook.disabled"]


def test_gone_is_taken_at_its_word(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, "f")])
    hook.receiver.answers = [410]
    assert not hook.deliver()
    assert hook.seen().disabled_at is not None


@pytest.mark.parametrize("slow", ["hang", "drip"])
def test_a_slow_receiver_is_left_in_time(hook: Hook, slow: str) -> None:
    """One that says nothing, and one that says a little again and again."""
    accepted(hook.till.db, [faulty(hook.till, "f")])
    hook.receiver.answers = [slow]
    began = time.monotonic()
    assert not hook.deliver()
    assert time.monotonic() - began < 4
    assert "Time" in hook.seen().last_error or "Protocol" in hook.seen().last_error
    hook.wait(timedelta(minutes=1))
    assert hook.deliver()
    assert len(set(hook.receiver.ids())) == 1


def test_redirects_are_not_followed(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, "f")])
    hook.receiver.answers = [302]
    assert not hook.deliver()
    assert hook.seen().last_error == "HTTP 302"
    assert hook.receiver.paths == ["/hook"]


def test_a_sender_that_dies_leaves_it_to_another(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, "f")])

    def dies(*_: object) -> webhooks.Attempt:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        webhooks.deliver_next(hook.till.db, hook.name, hook.clock, dies)
    assert not hook.deliver(), "somebody has it"
    hook.wait(timedelta(minutes=3))
    assert hook.deliver()
    assert hook.deliveries() == [("exception.opened", "delivered", 2)]


def test_two_senders_at_once_send_it_once(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, f"f{n}") for n in range(20)])

    def work() -> None:
        while hook.deliver():
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(hook.receiver.ids()) == len(set(hook.receiver.ids())) == 20


def test_another_secret_does_not_verify(hook: Hook) -> None:
    """The receiver's check can fail."""
    hook.receiver.secret = "whsec_" + "A" * 43 + "="
    accepted(hook.till.db, [faulty(hook.till, "f")])
    hook.deliver()
    assert hook.receiver.refused == ["No matching signature found"]


def test_private_addresses_are_refused_unless_allowed(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, "f")])
    assert not webhooks.deliver_next(hook.till.db, hook.name, hook.clock, sending.sender(private=False))
    assert hook.receiver.got == []
    assert "where no webhook may go" in hook.seen().last_error


def test_where_a_webhook_may_go() -> None:
    never = [
        "169.254.169.254",
        "fe80::1",
        "0.0.0.0",  # noqa: S104 - it must be refused
        "::",
        "224.0.0.1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        *("64:ff9b:1::a9fe:a9fe", "::ffff:0:169.254.169.254", "::169.254.169.254", "2002:a9fe:a9fe::1"),
        *("64:ff9b:1:7f00:0:100:5db8:d70e", "64:ff9b:1::7f00:1:0:0"),  # local NAT64 by other prefixes than /96
        *("168.63.129.16", "::ffff:168.63.129.16", "100.100.100.200", "192.0.0.192"),  # clouds
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
        *("fd00:a9fe:a9fe::1", "fd00:100::100:200"),
        *("240.0.0.1", "255.255.255.255", "::ffff:255.255.255.255", "4000::1", "0.1.2.3"),  # reserved
        *("fec0::1", "192.88.99.1", "2001:0:7f00:1::1", "100::1", "239.255.255.250", "::ffff:224.0.0.1"),
    ]
    private = [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        *("::127.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1:5::a00:1", "::ffff:0:127.0.0.1", "::10.0.0.1"),
    ]
    public = [
        *("93.184.215.14", "2606:4700::1111", "168.63.129.17"),
        *("::ffff:93.184.215.14", "64:ff9b::5db8:d70e", "64:ff9b:1::5db8:d70e", "2002:5db8:d70e::1"),
    ]
    for text in never:
        assert not sending.is_allowed(ip_address(text), private=False), text
        assert not sending.is_allowed(ip_address(text), private=True), text
    for text in private:
        assert not sending.is_allowed(ip_address(text), private=False), text
        assert sending.is_allowed(ip_address(text), private=True), text
    for text in public:
        assert sending.is_allowed(ip_address(text), private=False), text


def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads to a harmless address when it is judged, and inside when it is looked up again."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, *rest: Any, **also: Any) -> Any:
        if host != "rebind.example":
            return real(host, *rest, **also)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, rest[0]))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = hook.receiver.url.rpartition(":")[2]
    hook.till.superuser.execute(
        "UPDATE jobs.webhooks SET url = %s WHERE tenant_id = %s",
        [f"http://rebind.example:{port}/hook", hook.till.tenant],
    )
    accepted(hook.till.db, [faulty(hook.till, "f")])
    assert hook.deliver()
    assert len(asked) == 1
    assert hook.receiver.got[0][2]["host"] == f"rebind.example:{port}"


def test_one_that_hangs_does_not_hold_up_another(hook: Hook, db: Database) -> None:
    """Nor the look itself, which the worker's loop does not even wait for."""
    with receiving() as quick:
        made = webhooks.add(db, hook.till.tenant, quick.url, ["exception.opened"], operator())
        quick.secret = made.secret
        hook.receiver.answers = ["hang"]
        accepted(db, [faulty(hook.till, "f")])
        settings = SimpleNamespace(webhook_private_addresses="on")
        runtime: Any = SimpleNamespace(database=db, clock=hook.clock, settings=settings)
        stop = threading.Event()
        deliveries = Deliveries(runtime, stop, sending.sender(private=True, seconds=5))
        began = time.monotonic()
        deliveries.look()
        assert time.monotonic() - began < 1
        quick.wait_for(1, seconds=4)
        assert quick.refused == []
        stop.set()
        hook.receiver.leave.set()


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.com/x",
            "ftp://example.com",
            "https://",
            "example.com",
            "http://10.0.0.1/",
            "https://u:p@example.com/",
        ),
        *(
            "https://exa mple.com/",
            "https://example.com/#x",
            "https://example.com:99999/",
            "https://[::1",
            "https://ä.example/",
        ),
        *("http://localhost.example.com/", "https://example.com/\n", "javascript:alert(1)", "file:///etc/passwd", ""),
    ],
)
def test_addresses_that_cannot_be(db: Database, tenant: str, url: str) -> None:
    with pytest.raises(RequestRefused, match="url"):
        webhooks.add(db, tenant, url, ["exception.opened"], operator())


@pytest.mark.parametrize(
    "host",
    [
        *("exa\\tmple.com", "2130706433", "2130706433:8499", "0x7f000001", "0x7f.0.0.1", "0x", "127.1", "0177.0.0.1"),
        *(
            "1.2.3.4.5",
            "256.1.1.1",
            "127.0.0.1.",
            "example.1",
            "example.0x7f",
            "[127.0.0.1]",
            "[v1.fe80]",
            "[::1%25lo]",
        ),
        *("[::1].example.com", "x[::1]", "-a.example", "a-.example", "a..example", ".example", "exa%6dple.com", "a,b"),
        *("a" * 64 + ".example", ".".join(["a" * 60] * 5), "*.example"),
    ],
)
def test_hosts_that_are_neither_a_name_nor_an_address(db: Database, tenant: str, host: str) -> None:
    with pytest.raises(RequestRefused, match=r"url (has the host|cannot be read)"):
        webhooks.add(db, tenant, f"https://{host}/", ["exception.opened"], operator())


@pytest.mark.parametrize(
    "host",
    [
        *("Hooks.Example.com:8443", "example.com.", "xn--bcher-kva.example", "till_7.internal", "deadbeef", "0xyz"),
        *("203.0.113.7", "203.0.113.7:8443", "[2001:DB8::7]", "[::ffff:203.0.113.7]:8443", "7.example", "1e100.net"),
    ],
)
def test_hosts_that_can_be(db: Database, tenant: str, host: str) -> None:
    webhooks.add(db, tenant, f"https://{host}/", ["exception.opened"], operator())


def test_so_many_and_no_more(db: Database, tenant: str) -> None:
    for number in range(webhooks.MOST_WEBHOOKS):
        webhooks.add(db, tenant, f"https://example.invalid/{number}", ["exception.opened"], operator())
    with pytest.raises(RequestRefused, match="at most"):
        webhooks.add(db, tenant, "https://example.invalid/more", ["exception.opened"], operator())
    with pytest.raises(RequestRefused, match="no such kind"):
        webhooks.add(db, tenant, "https://example.invalid/more", ["sale.posted"], operator())


def test_the_secret_goes_with_the_webhook(hook: Hook) -> None:
    accepted(hook.till.db, [faulty(hook.till, "f")])
    webhooks.remove(hook.till.db, hook.name, operator())
    assert hook.till.rows("SELECT secret FROM jobs.webhooks WHERE tenant_id = %s") == [(None,)]
    assert hook.deliveries() == [("exception.opened", "given_up", 0)]
    assert not hook.deliver()
    with pytest.raises(RequestRefused, match="NOT_FOUND"):
        webhooks.remove(hook.till.db, hook.name, operator())
    secret = hook.receiver.secret.removeprefix("whsec_")
    kept = hook.till.rows("SELECT concat(before_json, after_json, notes) FROM audit.audit_log WHERE tenant_id = %s")
    assert not [row for row in kept if secret in row[0]]


@pytest.mark.parametrize("failures", range(9))
def test_a_clock_that_was_ahead_stops_no_message(hook: Hook, failures: int) -> None:
    """Whoever set when it is due again: the one who queued it, or the one who tried, however often."""
    accepted(hook.till.db, [faulty(hook.till, "f"), faulty(hook.till, "g")])
    right = hook.clock.now()
    honest = [timedelta(0), *(delay * 1.19 for delay in webhooks.DELAYS)][failures]
    sql = "UPDATE jobs.deliveries SET attempts = %s, due_at = %s WHERE tenant_id = %s"

    def waiting(ahead: timedelta) -> bool:
        hook.till.superuser.execute(sql, [failures, right + ahead, hook.till.tenant])
        return hook.name not in webhooks.due(hook.till.db, right)

    assert waiting(max(honest, timedelta(seconds=1)))
    assert not hook.deliver()
    assert not waiting(honest + timedelta(days=1))
    hook.receiver.answers = [500]
    assert not hook.deliver()
    assert hook.name not in webhooks.due(hook.till.db, right), "the other one waits too: the receiver is down"
    assert max(hook.due_in()) <= webhooks.DELAYS[min(failures, 8)].total_seconds() * 1.2 + 1
    hook.wait(timedelta(days=2))
    assert hook.deliver()
