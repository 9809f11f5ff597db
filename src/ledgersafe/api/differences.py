"""Where two payloads differ."""

from typing import Any, cast

from ledgersafe.api.shapes import Difference


def differences(first: Any, last: Any, path: str = "") -> list[Difference]:
    """Where two JSON values differ, each with its JSON Pointer; what one side lacks is null there."""
    if isinstance(first, dict) and isinstance(last, dict):
        one, other = cast("dict[str, Any]", first), cast("dict[str, Any]", last)
        names = [*one, *(name for name in other if name not in one)]
        return [
            found for name in names for found in differences(one.get(name), other.get(name), f"{path}/{_escaped(name)}")
        ]
    if isinstance(first, list) and isinstance(last, list):
        left, right = cast("list[Any]", first), cast("list[Any]", last)
        length = max(len(left), len(right))
        padded = ((side + [None] * (length - len(side))) for side in (left, right))
        return [
            found
            for index, (a, b) in enumerate(zip(*padded, strict=True))
            for found in differences(a, b, f"{path}/{index}")
        ]
    same = bool(first == last) and isinstance(first, bool) == isinstance(last, bool)
    return [] if same else [Difference(path=path, first=first, last=last)]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
