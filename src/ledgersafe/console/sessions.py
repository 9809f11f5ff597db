"""Who has signed in: the browser holds a random cookie, and the API key never leaves this process."""

import secrets
import threading
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from time import monotonic

from ledgersafe.client.api import ApiClient, ApiProblem

COOKIE = "ledgersafe_session"
LIVES_SECONDS = 12 * 3600
"""A working day: who leaves a screen open overnight signs in again."""
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Who:
    """As whom the API sees the key. `tenant_ids`: None serves all tenants."""

    actor: str
    tenant_ids: tuple[str, ...] | None
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the key has a scope."""
        return scope in self.scopes


class SessionClient(ApiClient):
    """Asks the API for one who has signed in, and no longer: parts of a page may go on by themselves."""

    def __init__(self, url: str, api_key: str | None) -> None:
        super().__init__(url, api_key)
        self.until = monotonic() + LIVES_SECONDS
        """On the monotonic clock, in seconds."""
        self._http.event_hooks = {"request": [self._check]}

    def _check(self, request: object) -> None:
        del request
        if self.until <= monotonic():
            detail = "You are no longer signed in."
            raise ApiProblem(detail, status=401, reason_code=None, detail=detail)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One person at one browser."""

    client: SessionClient
    who: Who


class Sessions:
    """All who have signed in, by the hash of what their browsers hold. Shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[bytes, SignedIn] = {}

    def open(self, client: SessionClient, who: Who) -> str:
        """Let somebody in; returns the value of the cookie."""
        token = secrets.token_urlsafe(32)
        now = monotonic()
        with self._lock:
            self._drop([name for name, one in self._held.items() if one.client.until <= now])
            self._drop(list(self._held)[: max(0, len(self._held) - _MOST + 1)])
            self._held[_hash(token)] = SignedIn(client, who)
        return token

    def find(self, token: str | None) -> SignedIn | None:
        """Who holds this cookie, if anybody does."""
        with self._lock:
            found = self._held.get(_hash(token or ""))
        return found if found is not None and found.client.until > monotonic() else None

    def close(self, token: str | None) -> None:
        """Let nobody in with this cookie any more."""
        with self._lock:
            self._drop([_hash(token or "")])

    def _drop(self, names: list[bytes]) -> None:
        for name in names:
            if (one := self._held.pop(name, None)) is not None:
                one.client.until = 0.0  # and left to the garbage collector: a page may be in the middle of asking


@cache
def sessions() -> Sessions:
    """Those of this process: the door fills them, and the pages, which Streamlit runs, can be handed nothing."""
    return Sessions()


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
