"""What FastAPI's handlers are handed: the parts of the process, and who asks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Query, Request

from ledgersafe.api.authentication import Authentication
from ledgersafe.db.database import Database
from ledgersafe.kernel.clock import Clock
from ledgersafe.pipeline.resolve import Operator
from ledgersafe.storage.zone import RawZone
from ledgersafe.tenants.rules import Credential, Scope


@dataclass(frozen=True, slots=True)
class Landing:
    """How files are received. `folders`: from where by path. `patience`: seconds that may pass without a byte.

    `event_bytes`: the largest event that is made of rows.
    """

    zone: RawZone
    max_bytes: int
    folders: tuple[Path, ...]
    patience: float
    event_bytes: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API works with."""

    database: Database
    clock: Clock
    authentication: Authentication
    future_seconds: float
    seal_key: Path
    landing: Landing

    def operator(self, credential: Credential) -> Operator:
        """Who decides, now."""
        return Operator(credential, self.clock.now(), self.future_seconds)


def parts(request: Request) -> Parts:
    """The parts of this process."""
    return cast("Parts", request.app.state.parts)


def _with_scope(scope: Scope) -> Callable[[Request], Awaitable[Credential]]:
    async def credential(request: Request) -> Credential:
        return await parts(request).authentication.credential(request.headers.get("authorization"), scope)

    return credential


async def _perhaps(request: Request) -> Credential | None:
    return await parts(request).authentication.optional_credential(request.headers.get("authorization"), "read")


HasParts = Annotated[Parts, Depends(parts)]
Reader = Annotated[Credential, Depends(_with_scope("read"))]
Ingesting = Annotated[Credential, Depends(_with_scope("ingest"))]
Operating = Annotated[Credential, Depends(_with_scope("operate"))]
Administrator = Annotated[Credential, Depends(_with_scope("admin"))]
PerhapsReader = Annotated[Credential | None, Depends(_perhaps)]
TenantParameter = Annotated[
    str | None,
    Query(description="Whose; needed only with a key of several tenants.", min_length=1, max_length=255),
]
