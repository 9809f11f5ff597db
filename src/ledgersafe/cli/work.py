"""`ledgersafe work`: the worker alone, on a database that is there."""

import signal
from threading import Event

from ledgersafe.bootstrap import configure_logging, runtime
from ledgersafe.worker.loop import work as run_worker


def work() -> None:
    """Run scheduled jobs until SIGTERM. Start as many as you like on one database."""
    parts = runtime()
    configure_logging(parts.settings)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        run_worker(parts, stop)
    finally:
        parts.close()
