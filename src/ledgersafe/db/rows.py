"""Row shapes that several stages share."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TenantCount:
    """A number of rows of one tenant."""

    tenant_id: str
    number: int
