"""Deliveries of files are worked off beside the worker's loop, one at a time: a large file holds up nothing else."""

from threading import Event, Thread

import structlog

from ledgersafe.bootstrap import Runtime
from ledgersafe.db.errors import DatabaseError
from ledgersafe.files.store import Ingestion, IngestionName, Lease
from ledgersafe.kernel.ids import random_slot

try:
    from ledgersafe.pipeline import deliver
except ImportError as lacking:  # the extra `files` is not installed here
    deliver, _lacks = None, str(lacking)
else:
    _lacks = ""

LOOK_SECONDS = 0.5
_SIGN_SECONDS = 10.0
"""How often a lease is extended: several signs may get lost before it ends."""
_SLOTS = 16
_log = structlog.get_logger()


class Filing:
    """Looks for due deliveries until `stop` is set. Its thread ends with the process; what it had is taken over."""

    def __init__(self, runtime: Runtime, stop: Event) -> None:
        self._runtime, self._stop = runtime, stop
        self._slot = random_slot(_SLOTS)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        if deliver is None:
            _log.warning("files_are_left_to_others", lacks=_lacks, fix='pip install "ledgersafe[files]"')
            return
        Thread(target=self._look_on, name="files", daemon=True).start()

    def _look_on(self) -> None:
        while not self._stop.is_set():
            try:
                busy = self.look()
            except DatabaseError as error:
                _log.warning("files_wait_for_the_database", error=str(error))
                busy = False
            except Exception as error:  # noqa: BLE001 - the next look tries again
                _log.error("files_failed", exc_info=error)
                busy = False
            if not busy:
                self._stop.wait(LOOK_SECONDS)

    def look(self) -> bool:
        """Work off what is due, in turn. Returns whether anything was."""
        assert deliver is not None
        return sum(self._work_off(name) for name in deliver.due(self._runtime.database, self._runtime.clock)) > 0

    def _work_off(self, name: IngestionName) -> bool:
        assert deliver is not None
        if self._stop.is_set() or (taken := deliver.claim(self._runtime.database, name, self._runtime.clock)) is None:
            return False
        lease, ingestion = taken
        done = Event()
        signs = Thread(target=self._give_signs, args=[lease, done], name="lease", daemon=True)
        signs.start()
        try:
            self._deliver(lease, ingestion)
        finally:
            done.set()
            signs.join()
        return True

    def _deliver(self, lease: Lease, ingestion: Ingestion) -> None:
        assert deliver is not None
        runtime = self._runtime
        desk = deliver.Desk(
            runtime.database,
            runtime.raw_zone.open_local,
            runtime.clock,
            slot=self._slot,
            future_seconds=runtime.settings.future_seconds,
            most_event_bytes=runtime.settings.max_event_bytes,
        )
        status = deliver.deliver(desk, lease, ingestion)
        _log.info(
            "delivery_worked_off", tenant=ingestion.tenant_id, ingestion=str(ingestion.ingestion_id), status=status
        )

    def _give_signs(self, lease: Lease, done: Event) -> None:
        assert deliver is not None
        while not done.wait(_SIGN_SECONDS):
            try:
                if not deliver.keep(self._runtime.database, lease, self._runtime.clock):
                    return
            except DatabaseError as error:
                _log.warning("lease_waits_for_the_database", error=str(error))
