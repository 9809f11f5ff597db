"""Who runs Postgres: ourselves, or, as Postgres refuses to run as root, a system user of its own."""

import os
import pwd
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ledgersafe.db.embedded.errors import EmbeddedPostgresError

SYSTEM_USER = "ledgersafe"
_USERADD = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
_NO_LOGIN = ("--shell", "/usr/sbin/nologin")
_SECONDS_FOR_USERADD = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that runs Postgres. `name` is None where the machine has no name for the uid."""

    uid: int
    gid: int
    name: str | None

    @property
    def is_another(self) -> bool:
        """Whether a process must change its user to be this one."""
        return self.uid != os.geteuid()

    def can_read(self, file: Path) -> bool:
        """Whether the mode bits let this user reach and read a file; access control lists are not looked at."""
        real = file.resolve()
        if not real.exists():
            return False
        ways = all(self._has(stat.S_IXOTH, folder) for folder in real.parents)
        return ways and self._has(stat.S_IROTH, real)

    def _has(self, bit_of_others: int, path: Path) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & (bit_of_others << 6))
        if status.st_gid == self.gid:
            return bool(status.st_mode & (bit_of_others << 3))
        return bool(status.st_mode & bit_of_others)


def database_account() -> Account:
    """The user to run Postgres as; makes the system user when root and it is missing.

    Raises EmbeddedPostgresError where that user cannot be made.
    """
    uid = os.geteuid()
    if uid != 0:
        return Account(uid, os.getegid(), _name_of(uid))
    entry = _entry_of(SYSTEM_USER) or _add_system_user()
    if entry.pw_uid == 0:
        raise EmbeddedPostgresError(f"The user {SYSTEM_USER!r} of this machine is root itself; Postgres needs another.")
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _add_system_user() -> pwd.struct_passwd:
    """Run useradd. Another start may do so too at this moment, so the user is looked for until time is up."""
    command = [*_USERADD, *_NO_LOGIN, SYSTEM_USER]
    environment = {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    give_up, said = time.monotonic() + _SECONDS_FOR_USERADD, "useradd is not the way to make a user here"
    while sys.platform == "linux" and time.monotonic() < give_up:
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - a constant
        except FileNotFoundError:
            said = "useradd was not found"
            break
        if entry := _entry_of(SYSTEM_USER):
            return entry
        said = done.stderr.strip()
        time.sleep(0.2)
    raise EmbeddedPostgresError(
        f"Postgres refuses to run as root, and the system user {SYSTEM_USER!r} could not be made for it ({said}). "
        f"Make one by hand (on Linux: {' '.join(command)}), run Ledgersafe as an ordinary user, "
        "or set LEDGERSAFE_DATABASE_URL to a Postgres of your own."
    )


def _entry_of(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
