"""Work that is done one step ahead, in a thread beside: reading goes on while what was read is being stored."""

from collections.abc import Generator, Iterable
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

One = TypeVar("One")


def ahead(made: Iterable[One], steps: int = 1) -> Generator[One]:
    """What `made` makes, in its order and with its errors; so many steps of it wait ready, no more."""
    ready: Queue[tuple[list[One], BaseException | None]] = Queue(maxsize=steps)
    given_up = Event()
    thread = Thread(target=_make, args=[made, ready, given_up], name="reading", daemon=True)
    thread.start()
    try:
        while True:
            found, error = ready.get()
            if error is not None:
                raise error
            if not found:
                return
            yield from found
    finally:
        given_up.set()
        thread.join()


def _make(made: Iterable[One], ready: "Queue[tuple[list[One], BaseException | None]]", given_up: Event) -> None:
    try:
        for one in made:
            if not _put(ready, ([one], None), given_up):
                return
        _put(ready, ([], None), given_up)
    except BaseException as error:  # noqa: BLE001 - it is raised where the results are used
        _put(ready, ([], error), given_up)


def _put(
    ready: "Queue[tuple[list[One], BaseException | None]]",
    what: tuple[list[One], BaseException | None],
    given_up: Event,
) -> bool:
    while not given_up.is_set():
        try:
            ready.put(what, timeout=0.1)
        except Full:
            continue
        return True
    return False
