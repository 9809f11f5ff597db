"""Who sends a request: `Authorization: Bearer …` with an API key, or with the token of a person who signed in."""

import asyncio

from ledgersafe.api.oidc import People, is_token
from ledgersafe.db.errors import DatabaseError
from ledgersafe.kernel.clock import Clock
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import FOREIGN_TENANT, SCOPE_MISSING, TENANT_REQUIRED, UNAUTHENTICATED
from ledgersafe.pipeline.directory import Directory
from ledgersafe.tenants.rules import SCOPES, Credential, Scope
from ledgersafe.tenants.store import Tenant

EVERYBODY = Credential("auth-off", None, None, frozenset(SCOPES))
"""Who everybody is when authentication is off, on a loopback address."""


class Authentication:
    """Credentials and tenants for handlers on the event loop; what is not held is loaded in a thread."""

    def __init__(self, directory: Directory, clock: Clock, *, is_on: bool, people: People | None = None) -> None:
        self._directory = directory
        self._clock = clock
        self._is_on = is_on
        self._people = people

    async def credential(self, authorization: str | None, scope: Scope | None) -> Credential:
        """The credential of a request; with None, whatever its scopes.

        Raises RequestRefused: none, unknown, revoked, expired, without the scope.
        """
        if not self._is_on:
            return EVERYBODY
        token = _bearer_token(authorization)
        now = self._clock.now()
        if self._people is not None and is_token(token):
            held, load = self._people.held_credential, self._people.check
        else:
            held, load = self._directory.held_credential, self._directory.load_credential
        credential = held(token, now) or await asyncio.to_thread(load, token, now)
        if scope is not None and scope not in credential.scopes:
            raise RequestRefused(SCOPE_MISSING, f"This credential lacks the scope {scope!r}.")
        return credential

    async def optional_credential(self, authorization: str | None, scope: Scope) -> Credential | None:
        """The credential of a request that may go without one; None where it has none."""
        return await self.credential(authorization, scope) if authorization or not self._is_on else None

    async def tenant(self, tenant_id: str) -> Tenant | None:
        """What is known of a tenant; None where it does not exist yet."""
        is_held, tenant = self._directory.held_tenant(tenant_id)
        return tenant if is_held else await asyncio.to_thread(self._directory.load_tenant, tenant_id)


def tenant_of(credential: Credential, tenant_id: str | None) -> str:
    """The one tenant that a request is about. Raises RequestRefused: not named, or foreign."""
    if tenant_id is None:
        only = credential.only_tenant()
        if only is None:
            raise RequestRefused(TENANT_REQUIRED, "This API key serves several tenants: add ?tenant_id=….")
        return only
    if not credential.may_use(tenant_id):
        raise RequestRefused(FOREIGN_TENANT, f"This API key does not serve tenant {tenant_id!r}.")
    return tenant_id


def _bearer_token(authorization: str | None) -> str:
    if authorization is None:
        raise RequestRefused(UNAUTHENTICATED, "Send 'Authorization: Bearer ls_…' with an API key.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RequestRefused(UNAUTHENTICATED, "The Authorization header must read 'Bearer ls_…'.")
    return token.strip()


async def refresh_forever(directory: Directory, seconds: float) -> None:
    """Re-read the directory again and again; a database that is away leaves it as it was."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(directory.refresh)
        except DatabaseError:
            continue
