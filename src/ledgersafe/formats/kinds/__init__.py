"""One file per format; adding a file adds the format."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from ledgersafe.formats.packing import PACKED_ENDINGS
from ledgersafe.formats.rows import Kind, UnreadableFile
from ledgersafe.formats.skipping import skipping

_INSTEAD = {
    ".xls": "save it as .xlsx",
    ".xlsb": "save it as .xlsx",
    ".xlsm": "it may hold macros: save it as .xlsx",
    ".ods": "save it as .xlsx or .csv",
    ".zip": "unpack it, and send what is in it",
    ".7z": "unpack it, and send what is in it",
    ".rar": "unpack it, and send what is in it",
    ".tar": "unpack it, and send what is in it",
    ".bz2": "pack it with gzip or Zstandard instead",
    ".xz": "pack it with gzip or Zstandard instead",
    ".pgp": "decrypt it first",
    ".gpg": "decrypt it first",
    ".html": "save its table as .csv",
    ".pdf": "ask its sender for the table as .csv or .xlsx",
}
"""What is to be done with files of other formats that people have."""


@cache
def kinds() -> dict[str, Kind]:
    """Every format of this folder, by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return {module.KIND.name: replace(module.KIND, open=skipping(module.KIND.open)) for module in modules}


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
    instead = f" With this one: {_INSTEAD[ending]}." if ending in _INSTEAD else ""
    message = f"Files {said} are not read: there are {known}, also .gz and .zst.{instead}"
    raise UnreadableFile("UNSUPPORTED_FORMAT", message)
