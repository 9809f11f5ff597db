"""Files brought to a database, and worked off as a worker does it."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from ledgersafe.db.database import Database
from ledgersafe.files import store as files
from ledgersafe.kernel.clock import SystemClock
from ledgersafe.kernel.ids import new_id
from ledgersafe.pipeline import deliver


class Desk:
    """A tenant's desk: contracts are put here, files brought, and worked off."""

    def __init__(self, database: Database, superuser: psycopg.Connection, tenant: str, folder: Path) -> None:
        self.db, self.superuser, self.tenant, self.folder = database, superuser, tenant, folder
        self.parts = deliver.Desk(database, self.open_raw, SystemClock(), slot=1, future_seconds=600)

    @contextmanager
    def open_raw(self, raw_path: str) -> Generator[Path]:
        """The file itself: it lies in the folder."""
        yield self.folder / raw_path

    def put(self, members: Mapping[str, Any]) -> None:
        """The next version of a contract."""
        with self.db.transaction() as tx:
            known = files.contract(tx, self.tenant, members["dataset"]).first()
            version = 1 if known is None else known.version + 1
            now = datetime.now(UTC)
            files.insert_contract(
                tx, self.tenant, members["dataset"], version, json.dumps(members), now, "test", None
            ).one()

    def bring(self, dataset: str, filename: str, body: bytes) -> files.IngestionName:
        """A delivery; nobody has worked it off yet."""
        digest, ingestion_id = sha256(body), new_id()
        path = self.folder / f"{digest.hexdigest()}-{filename}"
        path.write_bytes(body)
        new = files.NewIngestion(
            self.tenant, ingestion_id, dataset, filename, None, digest.digest(), len(body), path.name
        )
        with self.db.transaction() as tx:
            files.insert_ingestion(tx, new, datetime.now(UTC), "test").one()
        return files.IngestionName(self.tenant, UUID(ingestion_id))

    def work_off(self, name: files.IngestionName) -> files.Ingestion:
        """One attempt; what became of it."""
        taken = deliver.claim(self.db, name, self.parts.clock)
        assert taken is not None, "somebody else has it"
        deliver.deliver(self.parts, *taken)
        return self.found(name)

    def found(self, name: files.IngestionName) -> files.Ingestion:
        """The delivery as it stands."""
        with self.db.snapshot() as tx:
            return files.ingestion(tx, name.tenant_id, name.ingestion_id).one()

    def deliver(self, dataset: str, filename: str, body: bytes) -> files.Ingestion:
        """Bring a file and work it off."""
        return self.work_off(self.bring(dataset, filename, body))

    def bad_rows(self, name: files.IngestionName | files.Ingestion) -> list[files.BadRow]:
        """What is held of it."""
        of = files.IngestionName(name.tenant_id, name.ingestion_id)
        with self.db.snapshot() as tx:
            return files.bad_rows(tx, of, None, 0, 100_000).all()

    def rows(self, dataset: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """The tenant's rows of the dataset's table, in order."""
        sql = f"SELECT {columns} FROM files.curated_{dataset} WHERE tenant_id = %s ORDER BY 1, 2"
        return self.superuser.execute(sql.encode(), [self.tenant]).fetchall()
