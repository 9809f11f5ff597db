"""JSON Merge Patch (RFC 7396) in both directions: what a patch makes of an event, and which patch makes it another."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import orjson

from ledgersafe.console.parts.pretty import pointer
from ledgersafe.console.words import in_json
from ledgersafe.kernel.canonical import read_exactly
from ledgersafe.kernel.errors import RequestRefused
from ledgersafe.kernel.reasons import INVALID_JSON

IDENTITY = ("tenant_id", "event_id")
"""What makes an event this one: no patch may touch it."""


class NotAPatch(Exception):
    """What was typed is no merge patch; its text says why, and where."""


def read_patch(text: str) -> dict[str, Any]:
    """The patch that was typed, read as strictly as the API reads it: what goes there is what was typed.

    Raises NotAPatch.
    """
    try:
        value = read_exactly(text.encode(errors="surrogatepass"))
    except RequestRefused as refusal:
        raise NotAPatch((refusal.reason is INVALID_JSON and _why_not_json(text)) or refusal.detail) from None
    if not isinstance(value, dict):
        raise NotAPatch('A patch is a JSON object, such as {"currency": "EUR"}.')
    return cast("dict[str, Any]", value)


def _why_not_json(text: str) -> str:
    """With the line and the column, which help who types; nothing where only the strict reader finds fault."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"This is not JSON (line {error.lineno}, column {error.colno}): {error.msg}."
    return ""


def patched(target: Any, patch: Any) -> Any:
    """The target with the patch over it: members replace, null removes, everything that is no object replaces whole."""
    if not isinstance(patch, dict):
        return patch
    made: dict[str, Any] = dict(cast("dict[str, Any]", target)) if isinstance(target, dict) else {}
    for name, value in cast("dict[str, Any]", patch).items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = patched(made.get(name), value)
    return made


def patch_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that makes one event of another: members that differ, and null where the other has none."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        was = before.get(name)
        if isinstance(was, dict) and isinstance(value, dict):
            if was != value:
                patch[name] = patch_between(cast("dict[str, Any]", was), cast("dict[str, Any]", value))
        elif name not in before or was != value:
            patch[name] = value
    return patch


def touched(patch: Mapping[str, Any], path: str = "") -> list[str]:
    """JSON Pointers of what a patch sets."""
    found: list[str] = []
    for name, value in patch.items():
        here = f"{path}/{pointer(name)}"
        if isinstance(value, dict) and value:
            found += touched(cast("dict[str, Any]", value), here)
        else:
            found.append(here)
    return found


def to_begin_with(event: Mapping[str, Any] | None, paths: Iterable[str]) -> str:
    """A patch that changes nothing yet: the members of these paths, as they are, for somebody to edit.

    What is not there is null. `event`: None where it is not known; then its members are to be filled in.
    """
    names = dict.fromkeys(path.split("/")[1].replace("~1", "/").replace("~0", "~") for path in paths if "/" in path)
    members = {name: "" if event is None else event.get(name) for name in names if name not in IDENTITY}
    return in_json(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
