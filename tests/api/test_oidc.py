"""People who sign in elsewhere: tokens of an issuer whose keys are fetched over HTTP."""

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.api.answers import refused, told
from tests.conftest import Api, TestDatabase
from tests.events import sale

AUDIENCE = "ledgersafe-tests"
TENANT = "books-of-people"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A sign-on whose public keys are served; its private ones are here."""

    url: str
    rsa: RSAKey
    ec: ECKey
    stranger: RSAKey

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.url, "aud": AUDIENCE, "sub": "ana", "iat": now, "exp": now + 600}
        claims |= {"ledgersafe_tenants": [TENANT], "ledgersafe_scopes": ["ingest", "read", "operate"]}
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, key: RSAKey | ECKey | None = None, algorithm: str = "RS256", **changes: Any) -> str:
        chosen = key or self.rsa
        return jwt.encode({"alg": algorithm, "kid": chosen.kid}, self.claims(**changes), chosen, algorithms=[algorithm])

    def by_hand(self, header: dict[str, Any], signature: bytes = b"") -> str:
        parts = (json.dumps(header).encode(), json.dumps(self.claims()).encode(), signature)
        return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """A real HTTP server with the discovery document and the keys."""
    rsa = RSAKey.generate_key(2048, {"kid": "rsa-1"}, private=True)
    ec = ECKey.generate_key("P-256", {"kid": "ec-1"}, private=True)
    served = KeySet([rsa, ec]).as_dict(private=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://127.0.0.1:{self.server.server_address[1]}"
            found = {"/jwks": served, "/.well-known/openid-configuration": {"issuer": base, "jwks_uri": f"{base}/jwks"}}
            self.send_response(200 if self.path in found else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found.get(self.path)).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stranger = RSAKey.generate_key(2048, {"kid": "rsa-1"}, private=True)
    yield Issuer(f"http://127.0.0.1:{server.server_address[1]}", rsa, ec, stranger)
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api], new_database: Callable[[], TestDatabase], issuer: Issuer) -> Api:
    """An API process that trusts the issuer, whose keys it finds by discovery."""
    return start_api(new_database(), oidc_issuer=issuer.url, oidc_audience=AUDIENCE, no_proxy="*")


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256"])
def test_a_person_signs_in_and_decides(api: Api, issuer: Issuer, algorithm: str) -> None:
    key = issuer.ec if algorithm == "ES256" else issuer.rsa
    token = issuer.token(key, algorithm, sub=f"ana-{algorithm}", aud=[AUDIENCE, "another"])
    with api.client(token) as client:
        held = client.post("/v1/events", json=sale(TENANT, f"e-{algorithm}", total_amount=1))
        assert told(held) == (202, "quarantined", "TOTALS_MISMATCH")
        wish = {"action": "mark_resolved_no_replay", "resolution_notes": "no", "actor": "somebody else"}
        address = f"/v1/exceptions/{held.json()['exception_id']}"
        assert client.post(f"{address}/resolve", json=wish).json()["resolution"] == "ignored"
        assert client.get(address).json()["exception"]["resolution_actor"] == f"user:ana-{algorithm}"
        found = client.get("/v1/audit", params={"actor": f"user:ana-{algorithm}"}).json()["items"]
        assert [(entry["action"], entry["tenant_id"]) for entry in found] == [("exception.resolved", TENANT)]
        refused(client.get("/v1/exceptions", params={"tenant_id": "other"}), 403, "FOREIGN_TENANT")
        refused(client.post("/v1/events", json=sale("other")), 403, "FOREIGN_TENANT")
        refused(client.get("/v1/keys"), 403, "SCOPE_MISSING")


def test_an_api_key_still_opens(api: Api) -> None:
    with api.client() as client:
        assert client.get("/v1/exceptions").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "http://evil.example"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": ["somebody-else"]},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 99_999_999_999},
        {"nbf": "later"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
    ids=str,
)
def test_claims_that_are_not_accepted(api: Api, issuer: Issuer, changes: dict[str, Any]) -> None:
    with api.client(issuer.token(**changes)) as client:
        refused(client.get("/v1/exceptions"), 401, "UNAUTHENTICATED")


def forged(issuer: Issuer) -> dict[str, str]:
    """Tokens that somebody without the issuer's private keys can make."""
    good = issuer.token()
    header, claims, signature = good.split(".")
    public = issuer.rsa.as_pem(private=False)
    unsigned = issuer.by_hand({"alg": "HS256", "kid": "rsa-1"}).rpartition(".")[0]
    mac = urlsafe_b64encode(hmac.digest(public, unsigned.encode(), "sha256")).rstrip(b"=").decode()
    other = urlsafe_b64encode(json.dumps(issuer.claims(sub="eve")).encode()).rstrip(b"=").decode()
    return {
        "the public key as a shared secret": f"{unsigned}.{mac}",
        "no algorithm": issuer.by_hand({"alg": "none", "typ": "JWT"}),
        "no algorithm, but a key id": issuer.by_hand({"alg": "none", "kid": "rsa-1"}),
        "None": issuer.by_hand({"alg": "None", "kid": "rsa-1"}, b"x"),
        "a key of somebody else": issuer.token(issuer.stranger),
        "an unknown key id": jwt.encode({"alg": "RS256", "kid": "rsa-9"}, issuer.claims(), issuer.rsa),
        "other claims": f"{header}.{other}.{signature}",
        "no signature": f"{header}.{claims}.",
        "a cut signature": good[:-8],
        "an algorithm of another key": issuer.by_hand({"alg": "ES256", "kid": "rsa-1"}, b"x" * 64),
        "a list as algorithm": issuer.by_hand({"alg": ["RS256"], "kid": "rsa-1"}, b"x"),
        "an object as key id": issuer.by_hand({"alg": "RS256", "kid": {"a": 1}}, b"x"),
        "unknown critical headers": issuer.by_hand(
            {"alg": "RS256", "kid": "rsa-1", "crit": ["b64"], "b64": False}, b"x"
        ),
        "a key in the header": issuer.by_hand({"alg": "RS256", "jwk": issuer.stranger.as_dict(private=False)}, b"x"),
        "nothing": "..",
        "no base64": "!.!.!",
        "no JSON": "YQ.YQ.YQ",
        "a list for a header": f"{urlsafe_b64encode(b'[1]').decode()}.{claims}.{signature}",
    }


def test_a_forged_token_opens_nothing(api: Api, issuer: Issuer) -> None:
    for name, token in forged(issuer).items():
        with api.client(token) as client:
            response = client.get("/v1/exceptions")
            assert response.status_code == 401, (name, response.text)
            refused(response, 401, "UNAUTHENTICATED")


def test_a_token_without_rights_opens_nothing(api: Api, issuer: Issuer) -> None:
    for scopes in (None, [], ["root"], "read", {"read": True}):
        with api.client(issuer.token(ledgersafe_scopes=scopes)) as client:
            refused(client.get("/v1/exceptions"), 403, "SCOPE_MISSING")
    for tenants in (None, [], TENANT, [7]):
        with api.client(issuer.token(ledgersafe_tenants=tenants)) as client:
            assert client.get("/v1/exceptions").json()["items"] == []
            refused(client.post("/v1/events", json=sale(TENANT)), 403, "FOREIGN_TENANT")


def test_a_token_ends_at_its_time_also_where_it_was_seen_before(api: Api, issuer: Issuer) -> None:
    token = issuer.token(exp=int(time.time()) - 28)  # within the leeway, for two seconds more
    with api.client(token) as client:
        assert client.get("/v1/exceptions").status_code == 200
        time.sleep(3.2)
        refused(client.get("/v1/exceptions"), 401, "UNAUTHENTICATED")
