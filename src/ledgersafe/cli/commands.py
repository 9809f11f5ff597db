"""Every command and where it stands. Each is loaded when it is asked for: all of them take most of a second."""

import gc
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_WHERE: dict[str, tuple[str, str]] = {
    "up": ("up", "up"),
    "serve": ("serve", "serve"),
    "work": ("work", "work"),
    "console": ("console", "console"),
    "trace": ("trace", "trace"),
    "health": ("health", "health"),
    "verify": ("verify", "verify"),
    "audit": ("records", "audit"),
    "rejected": ("records", "rejected"),
    "demo": ("demo", "demo"),
    "db": ("db", "app"),
    "keys": ("keys", "app"),
    "events": ("events", "app"),
    "exceptions": ("exceptions", "app"),
    "report": ("report", "app"),
    "gold": ("gold", "app"),
    "ledger": ("ledger", "app"),
    "contracts": ("contracts", "app"),
    "files": ("files", "app"),
    "tenants": ("tenants", "app"),
    "stores": ("stores", "app"),
    "seals": ("seals", "app"),
    "webhooks": ("webhooks", "app"),
    "jobs": ("jobs", "app"),
}
"""Command → (module of this package, what in it: a group's app, or a function)."""


class _Loaded(Mapping[str, TyperCommand | TyperGroup]):
    """The commands by name, each made when it is looked up."""

    def __init__(self) -> None:
        self._made: dict[str, TyperCommand | TyperGroup] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self._made:
            self._made[name] = _made(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)

    def __contains__(self, name: object) -> bool:
        return name in _WHERE


@contextmanager
def loading() -> Generator[None]:
    """For imports of much: what they bring stays, and looking for garbage in it takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _made(name: str) -> TyperCommand | TyperGroup:
    module, attribute = _WHERE[name]
    with loading():
        found: Any = getattr(import_module(f"{__package__}.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        alone.command(name)(found)
        found = alone
    made: Any = typer.main.get_command(found)
    made.name = name
    return made


class Commands(TyperGroup):
    """The root command's commands, in the order in which they stand above."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Loaded()

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names; to know these, none is loaded."""
        del ctx
        return list(_WHERE)
