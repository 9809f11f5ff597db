"""What a seal is made of, and how its hashes are made (docs/seals.md). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, get_args
from uuid import UUID

from ledgersafe.kernel.canonical import canonicalise
from ledgersafe.kernel.merkle import HASH_BYTES, MerkleTree

Kind = Literal["arrivals", "audit"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FORMAT = 1
"""Stored with every seal; a change of what is hashed, or how, needs a new number."""

BEFORE_THE_FIRST = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Seal:
    """A row of audit.seals."""

    tenant_id: str
    kind: Kind
    number: int
    seal_id: UUID
    format: int
    previous_hash: bytes
    merkle_root: bytes
    batches_hash: bytes
    rows: int
    batches: int
    sealed_at: datetime
    swept_until: datetime | None
    seal_hash: bytes = b""


class Digest:
    """What a seal says of its batches, which are added in the order of their ids."""

    __slots__ = ("_batches", "_tree", "batches")

    def __init__(self) -> None:
        self._tree = MerkleTree()
        self._batches = sha256()
        self.batches = 0

    def add(self, batch_id: UUID, leaf_hashes: bytes) -> None:
        """One batch, with the hashes of its rows one after the other."""
        self._tree.extend(leaf_hashes)
        self._batches.update(batch_id.bytes + (len(leaf_hashes) // HASH_BYTES).to_bytes(4, "big"))
        self.batches += 1

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return self._tree.leaves

    def merkle_root(self) -> bytes:
        """The tree hash over all rows."""
        return self._tree.root()

    def batches_hash(self) -> bytes:
        """SHA-256 over the id and the number of rows of each batch."""
        return self._batches.digest()

    def is_of(self, seal: Seal) -> bool:
        """Whether a seal covers exactly this."""
        found = (self.merkle_root(), self.batches_hash(), self.rows, self.batches)
        return found == (seal.merkle_root, seal.batches_hash, seal.rows, seal.batches)


def with_hash(seal: Seal) -> Seal:
    """The seal with the hash of all else that it says."""
    return replace(seal, seal_hash=hash_of(seal))


def hash_of(seal: Seal) -> bytes:
    """SHA-256 of the canonical JSON (RFC 8785) of all that a seal says but its hash: bytes in hex, instants in UTC."""
    facts = {
        "tenant_id": seal.tenant_id,
        "kind": seal.kind,
        "number": seal.number,
        "seal_id": str(seal.seal_id),
        "format": seal.format,
        "previous_hash": seal.previous_hash.hex(),
        "merkle_root": seal.merkle_root.hex(),
        "batches_hash": seal.batches_hash.hex(),
        "rows": seal.rows,
        "batches": seal.batches,
        "sealed_at": _instant(seal.sealed_at),
        "swept_until": None if seal.swept_until is None else _instant(seal.swept_until),
    }
    canonical = canonicalise(facts)
    if canonical is None:
        raise ValueError(f"seal {seal.number} of {seal.tenant_id} counts beyond 2^53")
    return sha256(canonical).digest()


def head_statement(tenant_id: str, heads: Iterable[Seal], made_at: datetime) -> dict[str, Any]:
    """What an exported head says: the newest seal of each kind, JSON-ready."""
    seals = [
        {
            "kind": seal.kind,
            "number": seal.number,
            "seal_hash": seal.seal_hash.hex(),
            "sealed_at": _instant(seal.sealed_at),
        }
        for seal in heads
    ]
    return {"tenant_id": tenant_id, "made_at": _instant(made_at), "seals": seals}


def head_fault(stated: Mapping[str, Any], found_hash: str | None) -> str | None:
    """What is wrong with a chain, by one seal of a head statement: `found_hash` is what stands there now, in hex."""
    name = f"seal {stated['number']} of {stated['kind']}"
    if found_hash is None:
        return f"{name} is in the exported head and not in the database: the chain was cut or made anew"
    if found_hash != stated["seal_hash"]:
        return f"{name} is not the one in the exported head: the chain was rewritten at it or before it"
    return None


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
