"""Running the API: uvicorn on a socket, until it is told to stop."""

import asyncio
import gc
import socket

import structlog
import uvicorn

from ledgersafe.api.app import make_app
from ledgersafe.api.protocol import BoundedProtocol
from ledgersafe.bootstrap import Runtime

_IDLE_SECONDS = 75
"""An idle connection is kept longer than balancers keep theirs (60 s, mostly): who closes first loses no request."""
_GRACE_SECONDS = 2  # whoever ends us waits four: there must be time left to commit what has queued
_GC_THRESHOLDS = (20_000, 20, 100)
"""A batch makes tens of thousands of short-lived objects, hardly any of them in a cycle."""
_log = structlog.get_logger()
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class OpenToTheWorld(Exception):
    """Authentication is off on an address that others reach."""


def serve(runtime: Runtime, host: str, port: int, *, shared: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; what has queued is committed and answered first.

    `shared`: other processes may serve at the same address; the kernel spreads connections over them (SO_REUSEPORT).

    Raises OpenToTheWorld, and OSError where the port cannot be had.
    """
    if runtime.settings.auth == "off":
        if host not in _LOOPBACK:
            raise OpenToTheWorld(f"LEDGERSAFE_AUTH=off is for loopback addresses only, not for {host}.")
        _log.warning("authentication_is_off", host=host, meaning="everybody on this machine may do everything")
    listening = _listen(host, port, shared=shared)
    config = uvicorn.Config(
        make_app(runtime),
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        date_header=False,
        backlog=4096,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # What is here now stays: a full collection need not walk through it in the middle of the traffic.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    _log.info("serving", host=host, port=port)
    server = uvicorn.Server(config)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listening]))


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    listening.listen(4096)
    return listening
