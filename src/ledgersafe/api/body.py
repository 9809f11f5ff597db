"""Reading a request's body: bounded in size and in time."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext
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
    chunks: list[bytes] = []
    size = 0
    try:
        async with nullcontext() if is_here else asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size <= most:
                    chunks.append(chunk)
                if not message.get("more_body", False):
                    break
                if size > max(_DRAINED, most):
                    break  # reading on, to answer a sender that never ends, would be a gift to it
    except TimeoutError:
        message = f"The body did not arrive within {seconds:g} seconds."
        raise RefusedBody(
            RequestRefused(REQUEST_TIMEOUT, message, {"Connection": "close"}), _start(chunks), None
        ) from None
    if size > most:
        message = f"The body is larger than {most} bytes. Send less at a time."
        raise RefusedBody(RequestRefused(TOO_LARGE, message, {"Connection": "close"}), _start(chunks), size)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _start(chunks: list[bytes]) -> bytes:
    return b"".join(chunks)[:KEPT_OF_REFUSED_BODIES]
