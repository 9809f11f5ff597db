"""The limit of the door: our own API with a queue that answers at once. Everything is done but the database.

Authentication, parsing, contract, fingerprint and answer are Ledgersafe's own. Usage: python -m bench.peers.noop PORT.
"""

import sys
from collections.abc import Sequence

from bench.peers.serving import serve_with
from ledgersafe.api.group_commit import GroupCommit
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline.accept import Outcome
from ledgersafe.pipeline.arrival import Arrival


class NoDatabase(GroupCommit):
    """Says that all is processed, and keeps nothing."""

    def start(self) -> None:
        """There is nothing to start."""

    async def submit(self, arrivals: Sequence[Arrival]) -> list[Outcome | RequestRefused]:
        """Answer at once."""
        return [_processed(arrival) for arrival in arrivals]


def _processed(arrival: Arrival) -> Outcome:
    raw_id = new_id()
    return Outcome(
        tenant_id=arrival.tenant_id,
        event_id=arrival.event_id,
        raw_id=raw_id,
        first_raw_id=raw_id,
        first_seen_at=arrival.received_at,
        status=201,
        result="processed",
    )


if __name__ == "__main__":
    serve_with(NoDatabase, int(sys.argv[1]))
