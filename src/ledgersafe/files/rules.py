"""What deliveries and their bad rows are asked for by, and what becomes of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Status = Literal["received", "processing", "succeeded", "quarantined", "failed"]
RowStatus = Literal["open", "replayed", "ignored"]


@dataclass(frozen=True, slots=True)
class NewIngestion:
    """A delivery as it is received."""

    tenant_id: str
    ingestion_id: str
    dataset: str
    filename: str
    source: str | None
    sha256: bytes
    size_bytes: int
    raw_path: str
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which deliveries are meant; None is no filter. `with_open_rows`: those with bad rows that nobody decided on.

    `only_latest`: of several of the same bytes the latest alone, as it is with `with_open_rows`.
    """

    dataset: str | None = None
    status: Status | None = None
    with_open_rows: bool = False
    only_latest: bool = False


@dataclass(frozen=True, slots=True)
class IngestionName:
    """Which delivery."""

    tenant_id: str
    ingestion_id: UUID


@dataclass(frozen=True, slots=True)
class Lease:
    """A delivery in the hands of one attempt: `lease` is that attempt's."""

    name: IngestionName
    lease: str

    def parameters(self) -> dict[str, Any]:
        """As the statements want it."""
        return {"tenant_id": self.name.tenant_id, "ingestion_id": self.name.ingestion_id, "lease": self.lease}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a delivery ended, and its reports."""

    status: Literal["succeeded", "quarantined", "failed"]
    rows_in: int = 0
    rows_ok: int = 0
    rows_bad: int = 0
    reason_code: str | None = None
    detail: str | None = None
    facts: Mapping[str, Any] | None = None
    quality: Mapping[str, Any] | None = None
    drift: Mapping[str, Any] | None = None
    lineage: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of bad rows, by whom and why."""

    status: Literal["replayed", "ignored"]
    now: datetime
    actor: str
    notes: str


@dataclass(frozen=True, slots=True)
class RowSpan:
    """Rows of a file, from `first` until before `until`, of which events were made. `is_own`: by the one who asks.

    `is_listed`: of which arrivals is on record.
    """

    is_own: bool
    is_listed: bool
    first: int
    until: int


@dataclass(frozen=True, slots=True)
class ArrivalSpan:
    """Rows of a file, from `first` until before `until`, of which an arrival was made."""

    raw_id: UUID
    first: int
    until: int


@dataclass(frozen=True, slots=True)
class UnlistedSender:
    """A delivery that sent rows after `rest_after`, but for those that it held: there is no list of them."""

    ingestion_id: UUID
    rest_after: int


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A delivery that waits, or is worked on."""

    ingestion_id: UUID
    status: Status
