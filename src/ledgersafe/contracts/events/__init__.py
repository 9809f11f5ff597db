"""One file per event type; adding a file adds the type."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ledgersafe.contracts.event_type import EventType


@cache
def event_types() -> dict[str, EventType]:
    """Every event type of this folder, by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return {module.EVENT_TYPE.name: module.EVENT_TYPE for module in modules}
