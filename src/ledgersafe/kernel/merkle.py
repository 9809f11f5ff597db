"""Merkle tree hashes as in Certificate Transparency (RFC 9162, section 2.1.1), with SHA-256. Pure."""

from hashlib import sha256

HASH_BYTES = 32
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf; its first byte keeps a leaf from passing for a node."""
    return sha256(_LEAF + content).digest()


class MerkleTree:
    """The root over leaves added one by one; it keeps a hash a level, however many leaves there are."""

    __slots__ = ("_roots", "leaves")

    def __init__(self) -> None:
        self.leaves = 0
        self._roots: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Put a leaf's hash (32 bytes) to the right of the others."""
        count = self.leaves
        while count & 1:  # two whole trees of one size make the next size
            leaf = sha256(_NODE + self._roots.pop() + leaf).digest()
            count >>= 1
        self._roots.append(leaf)
        self.leaves += 1

    def extend(self, leaves: bytes) -> None:
        """Add many: their hashes, one after the other."""
        for start in range(0, len(leaves), HASH_BYTES):
            self.add(leaves[start : start + HASH_BYTES])

    def root(self) -> bytes:
        """The tree hash of what was added so far; of nothing, the hash of nothing."""
        if not self._roots:
            return sha256(b"").digest()
        *left, root = self._roots
        for each in reversed(left):
            root = sha256(_NODE + each + root).digest()
        return root
