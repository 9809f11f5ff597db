"""The event that everybody is measured with: a sale of two lines, the one that the specification says must pass."""

import itertools
import os
import time
from collections.abc import Callable
from typing import Literal

Keys = Literal["random", "ordered"]
"""Whether event ids are random or grow with time: an index takes the ones everywhere, the others at its end."""

KEY_LENGTH = 32
_BEFORE_KEY = b'{"schema_version":"1.0","tenant_id":"%s","store_id":"store_001","source_system":"pos_sim","event_id":"'
_BETWEEN = b'","event_type":"SALE","occurred_at":"2026-02-25T00:00:00Z","txn_id":"'
_AFTER = (
    b'","currency":"USD","total_amount":42.5,"line_items":[{"sku":"SKU-AAA","qty":1,"amount":30.0},'
    b'{"sku":"SKU-BBB","qty":1,"amount":12.5}]}'
)


def key_maker(keys: Keys) -> Callable[[], bytes]:
    """A function that returns a new event id of 32 characters each time, no other process's either.

    Ordered ones begin with a letter after f: they all lie behind the random ones, at the end of the index.
    """
    numbers = itertools.count()
    mine = os.urandom(4).hex().encode()
    if keys == "ordered":
        return lambda: b"t%013x%s%010x" % (time.time_ns() // 1000, mine, next(numbers))
    return lambda: os.urandom(16).hex().encode()


def body_maker(tenant: str, keys: Keys) -> Callable[[], bytes]:
    """A function that returns the body of a new event each time."""
    new_key, before = key_maker(keys), _BEFORE_KEY % tenant.encode()

    def new_body() -> bytes:
        key = new_key()
        return b"".join((before, key, _BETWEEN, key, _AFTER))

    return new_body
