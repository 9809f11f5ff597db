"""Webhook messages are sent beside the worker's loop, each webhook by itself: no receiver holds up posting."""

from threading import Event, Thread

import structlog

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.errors import DatabaseError
from ledgersafe.jobs.store import WebhookName
from ledgersafe.pipeline.webhooks import Send, deliver_next, due
from ledgersafe.worker.sending import sender

LOOK_SECONDS = 1.0
MOST_AT_ONCE = 4
_MESSAGES_A_TURN = 50
_log = structlog.get_logger()


class Deliveries:
    """Looks for due messages until `stop` is set. Its threads end with the process; what they held is due again."""

    def __init__(self, runtime: Runtime, stop: Event, send: Send | None = None) -> None:
        self._runtime, self._stop = runtime, stop
        self._send = send or sender(private=runtime.settings.webhook_private_addresses == "on")
        self._busy: dict[WebhookName, Thread] = {}

    def start(self) -> None:
        """Begin, in a thread of its own."""
        Thread(target=self._look_on, name="webhooks", daemon=True).start()

    def _look_on(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except DatabaseError as error:
                _log.warning("webhooks_wait_for_the_database", error=str(error))
            except Exception as error:  # noqa: BLE001 - the next look tries again
                _log.error("webhooks_failed", exc_info=error)

    def look(self) -> None:
        """Give every due webhook that nobody sends to a thread, as far as there are any left."""
        self._busy = {name: thread for name, thread in self._busy.items() if thread.is_alive()}
        for name in due(self._runtime.database, self._runtime.clock.now()):
            if len(self._busy) >= MOST_AT_ONCE:
                return
            if name not in self._busy:
                self._busy[name] = Thread(target=self._work_off, args=[name], name="webhook", daemon=True)
                self._busy[name].start()

    def _work_off(self, name: WebhookName) -> None:
        try:
            for _ in range(_MESSAGES_A_TURN):
                if self._stop.is_set() or not deliver_next(
                    self._runtime.database, name, self._runtime.clock, self._send
                ):
                    return
        except DatabaseError as error:
            _log.warning("webhook_waits_for_the_database", error=str(error))
        except Exception as error:  # noqa: BLE001 - it is logged, and due again when its lease ends
            _log.error("webhook_failed", webhook=str(name.webhook_id), exc_info=error)
