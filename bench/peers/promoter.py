"""A worker's posting in a process of its own. Usage: python -m bench.peers.promoter DATABASE_URL TENANT WARM_UP_TENANT

It posts what the one tenant has, to be as warm as a worker that has run for a while, says "ready", waits for a line,
posts what the other has until nothing is left, and prints how many events it posted.
"""

import sys
from datetime import UTC, datetime

from ledgersafe.db.database import Database
from ledgersafe.pipeline.promote import promote

_WARM_UP = 10
_A_LITTLE = 50


def main() -> None:
    """Post."""
    url, tenant, warm_up = sys.argv[1:]
    database = Database(url, size=2, role="ledgersafe_app")
    for _ in range(_WARM_UP):
        promote(database, warm_up, datetime.now(UTC), _A_LITTLE)
    print("ready", flush=True)
    sys.stdin.readline()
    posted = 0
    while found := promote(database, tenant, datetime.now(UTC)):
        if found.parked or found.put_off:
            raise SystemExit(f"what was to be posted was not: {found}")
        posted += found.posted
    print(posted, flush=True)
    sys.stdin.read()
    database.close()


if __name__ == "__main__":
    main()
