"""Shapes made from those of the event types: what is left out of them is what is known already, and nothing else."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgersafe.contracts.envelope import read_special
from ledgersafe.contracts.events import event_types
from ledgersafe.contracts.items import Line
from ledgersafe.contracts.shapes import of_plain_texts
from ledgersafe.kernel.canonical import read_json
from tests.contracts.judging import faults, verdict
from tests.events import sale

TEXTS = st.text(st.sampled_from('a0 ~\x7f\x80\x9f\x1f\n\x00"\\/é🛒'), max_size=5) | st.text(max_size=260)
FIELDS = ["store_id", "txn_id", "source_event_id", "currency", "payment_method"]


@pytest.mark.parametrize("name", sorted(event_types()))
def test_they_are_of_the_same_classes_with_the_same_fields_and_lengths(name: str) -> None:
    shape = event_types()[name].shape
    made = of_plain_texts(shape)
    assert issubclass(made, shape)
    assert _fields(made) == _fields(shape)
    assert _limits(made) == _limits(shape)


def test_lines_are_lines() -> None:
    shape: Any = of_plain_texts(event_types()["SALE"].shape)
    event: Any = msgspec.convert(read_json(orjson.dumps(sale("t"))).value, shape, dec_hook=read_special)
    assert all(isinstance(line, Line) for line in event.line_items)


@given(field=st.sampled_from(FIELDS), text=TEXTS, of_line=st.sampled_from(["sku", "name", "brand"]), of=TEXTS)
def test_no_text_is_judged_otherwise(field: str, text: str, of_line: str, of: str) -> None:
    """The verdict is held against that of the road which looks at each text: see judging.py."""
    verdict(sale("t", **{field: text, "line_items": [{"sku": "s", "qty": 1, "amount": 1} | {of_line: of}]}))


@pytest.mark.parametrize("spelled", [b"a\x7fb", b"a\\u0007b", b"a\\nb", "a\x85b".encode(), b"a\\u0085b"])
def test_a_control_character_is_found_however_it_is_spelled(spelled: bytes) -> None:
    body = orjson.dumps(sale("t", store_id="HERE")).replace(b"HERE", spelled)
    assert ("CONTRACT_VIOLATION", "/store_id") in faults(body)


def _fields(shape: type[msgspec.Struct]) -> list[tuple[str, bool, Any]]:
    return [(one.name, one.required, one.default) for one in msgspec.structs.fields(shape)]


def _limits(kind: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    """The bounds of each field but its pattern, as msgspec inspects them."""
    told: Any = msgspec.inspect.type_info(kind)
    return [(field.name, _bounds(field.type)) for field in told.fields]


def _bounds(of: Any) -> Any:
    if isinstance(of, msgspec.inspect.UnionType):
        return [_bounds(one) for one in of.types]
    if isinstance(of, msgspec.inspect.StructType):
        return _limits(of.cls)
    inner = [_bounds(of.item_type)] if isinstance(of, msgspec.inspect.ListType) else []
    names = ("min_length", "max_length", "ge", "le", "tz")
    return [type(of).__name__, *(getattr(of, name, None) for name in names), *inner]
