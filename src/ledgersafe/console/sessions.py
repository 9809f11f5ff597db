"""Who has signed in: the browser holds a random cookie, and the API key never leaves this process."""

import secrets
import threading
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

import httpx

from ledgersafe.client.api import ANSWER_SECONDS, ApiClient, ApiProblem, new_line, without_password

COOKIE = "ledgersafe_session"
LIVES_SECONDS = 12 * 3600
"""A working day: who leaves a screen open overnight signs in again."""
_MOST_OF_ONE = 50
"""Of one key: an operator has a few browsers, a shift that shares a key some dozens. One more ends the oldest."""
_MOST = 10_000
"""In all: some kilobytes each. Two hundred keys are needed to end the session of somebody else."""
_CONNECTIONS = 100
"""To the API, for all who have signed in: far fewer than the 1,024 files that a process may open in most places."""
_AT_ONCE = 20
"""Requests of one key that may be under way: the pages of others go on while somebody has whole tables read."""


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
    """Asks the API for one who has signed in, and no longer: parts of a page may go on by themselves.

    All of them share the connections to the API. `turns`: one for each request that may be under way.
    """

    def __init__(self, url: str, api_key: str | None) -> None:
        super().__init__(url, api_key, line=_line(without_password(url) if api_key else url))
        self.until = monotonic() + LIVES_SECONDS
        """On the monotonic clock, in seconds."""
        self.turns = threading.BoundedSemaphore(_AT_ONCE)

    def _asked(self, method: str, path: str, **request: Any) -> httpx.Response:
        if self.until <= monotonic():
            raise _problem(401, "You are no longer signed in.")
        turns = self.turns
        if not turns.acquire(timeout=ANSWER_SECONDS):
            raise _problem(503, f"{_AT_ONCE} requests of your key are under way already.")
        try:
            return super()._asked(method, path, **request)
        finally:
            turns.release()


def _problem(status: int, detail: str) -> ApiProblem:
    return ApiProblem(detail, status=status, reason_code=None, detail=detail)


@cache
def _line(url: str) -> httpx.Client:
    """The connections of this process to its API, as many as there are at most, however many have signed in."""
    return new_line(url, connections=_CONNECTIONS)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One person at one browser."""

    client: SessionClient
    who: Who


class Sessions:
    """All who have signed in, oldest first, by the hash of what their browsers hold. Shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[bytes, SignedIn] = {}
        self._turns: WeakValueDictionary[str, threading.BoundedSemaphore] = WeakValueDictionary()

    def open(self, client: SessionClient, who: Who) -> str:
        """Let somebody in; returns the value of the cookie. Where there are too many, the oldest ends."""
        token = secrets.token_urlsafe(32)
        now = monotonic()
        with self._lock:
            self._drop([name for name, one in self._held.items() if one.client.until <= now])
            theirs = [name for name, one in self._held.items() if one.who.actor == who.actor]
            self._drop(theirs[: max(0, len(theirs) - _MOST_OF_ONE + 1)])
            self._drop(list(self._held)[: max(0, len(self._held) - _MOST + 1)])
            client.turns = self._turns.setdefault(who.actor, client.turns)
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
