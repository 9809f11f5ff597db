"""One file per format; adding a file adds the format."""

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from ledgersafe.formats.packing import PACKED_ENDINGS
from ledgersafe.formats.rows import Kind, UnreadableFile


@cache
def kinds() -> dict[str, Kind]:
    """Every format of this folder, by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return {module.KIND.name: module.KIND for module in modules}


def kind_of(filename: str) -> Kind:
    """The format of a file, by the end of its name. Raises UnreadableFile."""
    name = filename.lower()
    for packed in PACKED_ENDINGS:
        name = name.removesuffix(packed)
    ending = Path(name).suffix
    for kind in kinds().values():
        if ending in kind.endings:
            return kind
    known = ", ".join(sorted(ending for kind in kinds().values() for ending in kind.endings))
    said = ending or "without an ending"
    raise UnreadableFile("UNSUPPORTED_FORMAT", f"Files {said} are not read: there are {known}, also .gz and .zst.")
