"""JSON Merge Patch (RFC 7396): how an operator mends an event."""

from typing import Any, cast


def merge(target: Any, patch: Any) -> Any:
    """The target with the patch applied: members replace, null removes, everything that is no object replaces whole."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Any] = dict(cast("dict[str, Any]", target)) if isinstance(target, dict) else {}
    for name, value in cast("dict[str, Any]", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged
