"""The tree hash is the one of RFC 9162: the published vectors of Certificate Transparency, and the definition itself."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.kernel.merkle import MerkleTree, leaf_hash

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first 0, 1, … 8 of the leaves, as in the tests of the reference implementation."""


def root_of(leaves: list[bytes]) -> bytes:
    tree = MerkleTree()
    for leaf in leaves:
        tree.add(leaf_hash(leaf))
    return tree.root()


def defined(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, word for word."""
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else sha256(b"").digest()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + defined(leaves[:half]) + defined(leaves[half:])).digest()


@pytest.mark.parametrize("count", range(9))
def test_the_published_vectors(count: int) -> None:
    assert root_of([bytes.fromhex(leaf) for leaf in LEAVES[:count]]).hex() == ROOTS[count]


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_it_is_the_tree_of_the_definition(leaves: list[bytes]) -> None:
    assert root_of(leaves) == defined(leaves)
    tree = MerkleTree()
    tree.extend(b"".join(map(leaf_hash, leaves)))
    assert (tree.root(), tree.leaves) == (defined(leaves), len(leaves))


@given(st.lists(st.binary(max_size=2), min_size=2, max_size=20, unique=True), st.data())
def test_any_change_of_a_leaf_or_of_the_order_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 2))
    changed = [*leaves[:at], leaves[at] + b"x", *leaves[at + 1 :]]
    swapped = [*leaves[:at], leaves[at + 1], leaves[at], *leaves[at + 2 :]]
    assert len({root_of(leaves), root_of(changed), root_of(swapped), root_of(leaves[:-1])}) == 4


def test_a_node_is_no_leaf() -> None:
    """Whoever offers two hashes as one leaf does not get their parent's hash."""
    one, two = leaf_hash(b"a"), leaf_hash(b"b")
    assert root_of([one + two]) != root_of([b"a", b"b"])
