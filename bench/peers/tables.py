"""The tables that the ORM peer writes, mapped as one does with SQLAlchemy 2."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, LargeBinary, SmallInteger, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """How Python's types are stored."""

    type_annotation_map = {str: Text, bytes: LargeBinary, datetime: DateTime(timezone=True)}


class ApiKey(Base):
    """A credential."""

    __tablename__ = "api_keys"
    __table_args__ = {"schema": "tenants"}
    key_id: Mapped[str] = mapped_column(primary_key=True)
    secret_sha256: Mapped[bytes]
    tenant_ids: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))


class RawEvent(Base):
    """An arrival."""

    __tablename__ = "events_raw"
    __table_args__ = {"schema": "bronze"}
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    raw_id: Mapped[UUID] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    door: Mapped[str]
    event_id: Mapped[str]
    event_type: Mapped[str | None]
    store_id: Mapped[str | None]
    source_system: Mapped[str | None]
    schema_version: Mapped[str | None]
    occurred_at: Mapped[datetime | None]
    txn_id: Mapped[str | None]
    payload_hash: Mapped[bytes]
    canonical_version: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes]
    body_sha256: Mapped[bytes]
    key_id: Mapped[str | None]


class Batch(Base):
    """What one transaction committed."""

    __tablename__ = "batches"
    __table_args__ = {"schema": "bronze"}
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class ProcessedEvent(Base):
    """A key that was seen."""

    __tablename__ = "events_processed"
    __table_args__ = {"schema": "gate"}
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    first_raw_id: Mapped[UUID]
    last_raw_id: Mapped[UUID]
    payload_hash_first: Mapped[bytes]
    payload_hash_last: Mapped[bytes]
    first_decision: Mapped[str]
    processed_at: Mapped[datetime | None]


class ToPost(Base):
    """Work for the ledger."""

    __tablename__ = "to_post"
    __table_args__ = {"schema": "gate"}
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    raw_id: Mapped[UUID] = mapped_column(primary_key=True)
    idempotency_key: Mapped[str]


class Counters(Base):
    """Sums, in slots so that writers do not queue behind one row."""

    __tablename__ = "counters"
    __table_args__ = {"schema": "gate"}
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    events_raw: Mapped[int] = mapped_column(BigInteger)
    processed: Mapped[int] = mapped_column(BigInteger)
    quarantined: Mapped[int] = mapped_column(BigInteger)
    ignored: Mapped[int] = mapped_column(BigInteger)
    exceptions_open: Mapped[int] = mapped_column(BigInteger)
