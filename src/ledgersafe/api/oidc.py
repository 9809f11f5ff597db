"""People who sign in elsewhere: OpenID Connect access tokens (JWT), checked against the issuer's keys (JWKS).

The claim `ledgersafe_tenants` lists tenant ids, or is ["*"] for all; `ledgersafe_scopes` lists scopes. A token without
them opens nothing. Off unless LEDGERSAFE_OIDC_ISSUER is set.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, cast

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import UNAUTHENTICATED
from ledgersafe.tenants.rules import SCOPES, Credential, Scope

# Signatures only: with a shared secret ("HS…") whoever can check a token can also make one.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
_KEYS_LIVE_SECONDS = 300.0
_ASK_AGAIN_SECONDS = 10.0
_LEEWAY_SECONDS = 30
_MOST_HELD = 10_000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who vouches for people. `jwks_url`: None is found through the issuer's discovery document."""

    issuer: str
    audience: str
    jwks_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    credential: Credential
    expires_at: float


class People:
    """Credentials from tokens of one issuer. Checking a new token may fetch keys: not for the event loop."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._lock = Lock()
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._held: dict[str, _Held] = {}

    def held_credential(self, token: str, now: datetime) -> Credential | None:
        """The credential of a token seen before that has not expired; None where it has to be checked."""
        held = self._held.get(token)
        return held.credential if held is not None and held.expires_at > now.timestamp() else None

    def check(self, token: str, now: datetime) -> Credential:
        """The credential of a token. Raises RequestRefused(UNAUTHENTICATED)."""
        try:
            claims = self._claims(token)
        except (JoseError, ValueError) as error:
            raise RequestRefused(UNAUTHENTICATED, f"This token was not accepted: {error}.") from None
        self._check_claims(claims, now)
        credential = _credential(claims)
        with self._lock:
            if len(self._held) >= _MOST_HELD:
                self._held.clear()
            self._held[token] = _Held(credential, float(claims["exp"]))
        return credential

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature holds; unknown keys are asked for once more."""
        try:
            return jwt.decode(token, self._current_keys(_KEYS_LIVE_SECONDS), algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            return jwt.decode(token, self._current_keys(_ASK_AGAIN_SECONDS), algorithms=_ALGORITHMS).claims

    def _check_claims(self, claims: dict[str, Any], now: datetime) -> None:
        audience = claims.get("aud")
        audiences = cast("list[object]", audience) if isinstance(audience, list) else [audience]
        expires_at, begins_at, at = claims.get("exp"), claims.get("nbf", 0), now.timestamp()
        if claims.get("iss") != self._issuer.issuer or self._issuer.audience not in audiences:
            raise RequestRefused(UNAUTHENTICATED, "This token is of another issuer, or for another audience.")
        if not isinstance(expires_at, int | float) or at > expires_at + _LEEWAY_SECONDS:
            raise RequestRefused(UNAUTHENTICATED, "This token has expired: sign in again.")
        if not isinstance(begins_at, int | float) or at < begins_at - _LEEWAY_SECONDS:
            raise RequestRefused(UNAUTHENTICATED, "This token is not valid yet.")

    def _current_keys(self, live_seconds: float) -> KeySet:
        with self._lock:
            if self._keys is None or time.monotonic() - self._fetched > live_seconds:
                self._fetched = time.monotonic()
                self._keys = self._fetch() or self._keys
            if self._keys is None:
                raise RequestRefused(UNAUTHENTICATED, "The keys of the issuer cannot be had just now. Try again.")
            return self._keys

    def _fetch(self) -> KeySet | None:
        try:
            with httpx.Client(timeout=5) as client:
                url = self._issuer.jwks_url
                if url is None:
                    address = f"{self._issuer.issuer.rstrip('/')}/.well-known/openid-configuration"
                    url = str(client.get(address).raise_for_status().json()["jwks_uri"])
                return KeySet.import_key_set(client.get(url).raise_for_status().json())
        except (httpx.HTTPError, JoseError, ValueError, KeyError) as error:
            _log.warning("issuer_keys_unavailable", issuer=self._issuer.issuer, error=str(error))
            return None


def is_token(text: str) -> bool:
    """Whether it has the form of a JWT, which no API key has."""
    return text.count(".") == 2


def _credential(claims: dict[str, Any]) -> Credential:
    subject, tenant_ids, scopes = claims.get("sub"), claims.get("ledgersafe_tenants"), claims.get("ledgersafe_scopes")
    if not isinstance(subject, str) or not subject:
        raise RequestRefused(UNAUTHENTICATED, "This token names nobody (sub).")
    named = [str(name) for name in cast("list[object]", tenant_ids)] if isinstance(tenant_ids, list) else []
    wanted = [str(scope) for scope in cast("list[object]", scopes)] if isinstance(scopes, list) else []
    known: frozenset[Scope] = frozenset(scope for scope in SCOPES if scope in wanted)
    return Credential(f"user:{subject}", None, None if "*" in named else tuple(named), known)
