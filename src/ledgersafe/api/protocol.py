"""HTTP at the socket: uvicorn's protocol, with the bounds on a request's head that it lacks, and fewer system calls."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 65_536
HEAD_SECONDS = 20.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


_HELD_BACK = 65_536
BODY_IS_HERE = "ledgersafe.body_is_here"
"""In a request's scope once its whole body has arrived: nobody need watch the clock for it."""


class TogetherTransport:
    """A transport whose small writes of one turn of the event loop leave together: uvicorn writes a response in two."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this turn; at once where it is much."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        if len(data) > _HELD_BACK:
            self._flush()

    def close(self) -> None:
        """Write what is held back, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on a head that grows too large (431) or does not end in time, and after a wish for another protocol."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._in_head = True
        self._is_over = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: its first head has HEAD_SECONDS to come; a later one has as long from its first byte on."""
        super().connection_made(TogetherTransport(transport, self.loop))  # type: ignore[arg-type]
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is complete: what follows is the head of the next."""
        self._head_bytes, self._in_head = 0, True
        self.scope[BODY_IS_HERE] = True  # type: ignore[typeddict-unknown-key]
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes: before the head is complete they are counted, because all of them are held in memory."""
        if self._is_over:
            return
        if self._in_head:
            if self._head_bytes > MOST_HEAD_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes:
            self._start_timer()

    def _unsupported_upgrade_warning(self) -> None:
        """A request asked for another protocol: it is answered without its body, which is not read as a request."""
        self._is_over = True
        self.cycle.keep_alive = False

    def _give_up(self) -> None:
        if self._in_head and not self.transport.is_closing():
            self.transport.close()

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
