"""Two of the three kinds of trouble; the third, a bug, has no class: it crashes.

Bad data is a value (`Fault`): it is parked, and its neighbours go on.
A bad request is an exception (`RequestRefused`): it is mapped once to problem+json (RFC 9457).
"""

from dataclasses import dataclass, field
from typing import TypeVar

from ledgersafe.kernel.reasons import Reason

E = TypeVar("E", bound=BaseException)


class ToldPlainly(Exception):
    """Foreseen where a command may run: its message says what, where and what to do, and is all that is shown."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an event: the reason, where (a JSON Pointer, RFC 6901; "" is the whole) and what."""

    reason: Reason
    path: str
    message: str

    def as_json(self) -> dict[str, str]:
        """The fault as it stands in `details` of answers and of stored exceptions."""
        return {"reason_code": self.reason.code, "path": self.path, "message": self.message}


@dataclass(slots=True)
class RequestRefused(Exception):
    """A request that cannot be served. `detail` says what, where and what to do; `headers` go into the answer.

    `faults`: everything wrong with the event that it was about.
    """

    reason: Reason
    detail: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return f"{self.reason.code}: {self.detail}"


def let_go(error: E) -> E:
    """The error without the frames that it came through, for whoever answers it or keeps it as a value.

    The frames hold what was being read, often megabytes; where one of them holds the error as well, that is a ring
    which only the collector of cycles frees, and it comes rarely.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
