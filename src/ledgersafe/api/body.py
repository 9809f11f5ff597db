"""Reading a request's body: bounded in size and in time."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import REQUEST_TIMEOUT, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

KEPT_OF_REFUSED_BODIES = 65_536
_DRAINED = 64 * 1024 * 1024


class ClientGone(Exception):
    """The client hung up before its request was complete: nobody waits for an answer."""


@dataclass(slots=True)
class RefusedBody(Exception):
    """A body that was refused while it was read: the refusal, what is kept of it, and its whole size where known."""

    refusal: RequestRefused
    beginning: bytes
    size: int | None


async def read_body(
    receive: Receive, headers: dict[bytes, bytes], most: int, seconds: float, *, is_here: bool = False
) -> bytes:
    """The whole body; `is_here`: it has arrived already, so that no time limit is set, which costs.

    Raises RefusedBody (too large, too slow, an encoding that is not read here), ClientGone.
    """
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RefusedBody(
            RequestRefused(UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding."), b"", None
        )
    taken = _Taken(most)
    try:
        if is_here:
            await taken.all_of(receive)
        else:
            async with asyncio.timeout(seconds):
                await taken.all_of(receive)
    except TimeoutError:
        message = f"The body did not arrive within {seconds:g} seconds."
        refusal = RequestRefused(REQUEST_TIMEOUT, message, {"Connection": "close"})
        raise RefusedBody(refusal, taken.beginning(), None) from None
    if taken.size > most:
        message = f"The body is larger than {most} bytes. Send less at a time."
        raise RefusedBody(RequestRefused(TOO_LARGE, message, {"Connection": "close"}), taken.beginning(), taken.size)
    return taken.body()


class _Taken:
    """What has been received of a body: as far as it is bounded, and its whole size."""

    __slots__ = ("_chunks", "_most", "size")

    def __init__(self, most: int) -> None:
        self._chunks: list[bytes] = []
        self._most = most
        self.size = 0

    async def all_of(self, receive: Receive) -> None:
        """Receive to the end. Raises ClientGone."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            self.size += len(chunk)
            if self.size <= self._most:
                self._chunks.append(chunk)
            if not message.get("more_body", False):
                return
            if self.size > max(_DRAINED, self._most):
                return  # reading on, to answer a sender that never ends, would be a gift to it

    def body(self) -> bytes:
        """All of it."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def beginning(self) -> bytes:
        """What is kept of a body that is refused."""
        return b"".join(self._chunks)[:KEPT_OF_REFUSED_BODIES]
