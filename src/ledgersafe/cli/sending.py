"""Posting chunks of events, several at a time, until each event has its answer or it is time to give up."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from time import monotonic
from typing import Any, cast

import httpx
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from ledgersafe.cli.chunks import Chunk, Line, Span
from ledgersafe.cli.client import CliError
from ledgersafe.cli.tally import Item, Kind
from ledgersafe.client.api import ApiClient, problem, problem_parts, read_answer, retry_after

BATCH_PATH = "/v1/events:batch"
NDJSON = "application/x-ndjson"
_NOT_NOW = frozenset({408, 429, 502, 503, 504})
_AT_FAULT_IS_THE_BODY = frozenset({400, 413, 422})
_LONGEST_PAUSE_SECONDS = 10.0
_LONGEST_RETRY_AFTER_SECONDS = 60.0
_SECONDS_BETWEEN_REMARKS = 10.0
_TOO_LONG = Kind(413, "refused", "TOO_LARGE")


class GaveUp(CliError):
    """No answer within the time allowed; nothing is lost, the events without an answer can be sent again."""


class _NotNowError(Exception):
    """The server asks to be left alone for a while (seconds, where it says how long)."""

    def __init__(self, why: str, pause: float | None) -> None:
        super().__init__(why)
        self.pause = pause


class Deliverer:
    """Delivers one chunk: posts, waits, posts again. May be shared by threads.

    `give_up_after`: seconds for which one chunk is tried.
    """

    def __init__(self, client: ApiClient, give_up_after: float) -> None:
        self._client = client
        self._give_up_after = give_up_after

    def deliver(self, chunk: Chunk) -> list[Item]:
        """One answer an event. Raises GaveUp, and CliError for requests that waiting does not mend."""
        items = [_refused_here(line) for line in chunk.lines if line.text is None]
        lines = [line for line in chunk.lines if line.text is not None]
        pending = [lines] if lines else []
        try:
            for attempt in stamina.retry_context(
                _pause_before_retry,
                attempts=None,
                timeout=self._give_up_after,
                wait_initial=0.2,
                wait_max=_LONGEST_PAUSE_SECONDS,
            ):
                with attempt:
                    while pending:
                        self._post(pending, items)
        except (httpx.TransportError, _NotNowError) as error:
            why = str(error) or type(error).__name__
            raise GaveUp(f"Gave up on {self._client.url} after {self._give_up_after:g} seconds: {why}.") from None
        return items

    def _post(self, pending: list[list[Line]], items: list[Item]) -> None:
        """Post the last group of `pending`; what is answered moves to `items`.

        Raises httpx.TransportError and _NotNowError, with what is still unanswered left in `pending`.
        """
        group = pending[-1]
        response = self._client.post_raw(BATCH_PATH, Chunk(Span(0, 0), tuple(group)).body(), NDJSON)
        if response.status_code in _NOT_NOW:
            raise _not_now(response)
        if response.is_success:
            answers = _read_items(group, response)
            items += [item for item in answers if item.kind.status not in _NOT_NOW]
            _leave(pending, [item.line for item in answers if item.kind.status in _NOT_NOW])
        elif response.status_code not in _AT_FAULT_IS_THE_BODY:
            raise problem(response)
        elif len(group) > 1:
            middle = len(group) // 2  # one of them may be all that is wrong: find it, and harm no other
            pending[-1:] = [group[middle:], group[:middle]]
        else:
            reason_code, detail = problem_parts(response)
            items.append(Item(group[0], Kind(response.status_code, "refused", reason_code), detail))
            pending.pop()


def in_parallel(
    chunks: Iterable[Chunk], deliver: Callable[[Chunk], list[Item]], parallel: int
) -> Iterator[tuple[Chunk, list[Item]]]:
    """Deliver chunks by `parallel` threads; yields each as it is answered, so not always in order.

    At most twice `parallel` chunks are held. Threads are daemons: whoever leaves does not wait for open requests.
    Raises what `deliver` raises.
    """
    todo: SimpleQueue[Chunk | None] = SimpleQueue()
    done: SimpleQueue[tuple[Chunk, list[Item]] | BaseException] = SimpleQueue()
    stopping = threading.Event()

    def work() -> None:
        while (chunk := todo.get()) is not None and not stopping.is_set():
            try:
                done.put((chunk, deliver(chunk)))
            except BaseException as error:  # noqa: BLE001 - it is raised again, in the thread that asked
                done.put(error)

    for number in range(parallel):
        threading.Thread(target=work, name=f"send-{number}", daemon=True).start()
    waiting = 0
    try:
        for chunk in chunks:
            todo.put(chunk)
            waiting += 1
            if waiting >= 2 * parallel:
                yield _take(done)
                waiting -= 1
        for _ in range(waiting):
            yield _take(done)
    finally:
        stopping.set()
        for _ in range(parallel):
            todo.put(None)


def tell_of_pauses(say: Callable[[str], None]) -> None:
    """From now on, `say` when a request has to wait, instead of writing it to the log."""

    silent_until = 0.0

    def tell(details: RetryDetails) -> None:
        nonlocal silent_until
        if (now := monotonic()) >= silent_until:
            silent_until = now + _SECONDS_BETWEEN_REMARKS
            why = str(details.caused_by) or type(details.caused_by).__name__
            say(f"No answer yet ({why}); trying again.")

    set_on_retry_hooks([tell])


def _leave(pending: list[list[Line]], unanswered: list[Line]) -> None:
    """Take the last group off, but for what the server had no time for."""
    if unanswered:
        pending[-1] = unanswered
        raise _NotNowError(f"{len(unanswered)} events could not be taken now", None)
    pending.pop()


def _take(done: SimpleQueue[tuple[Chunk, list[Item]] | BaseException]) -> tuple[Chunk, list[Item]]:
    result = done.get()
    if isinstance(result, BaseException):
        raise result
    return result


def _pause_before_retry(error: Exception) -> bool | float:
    """Whether to try again; as a number: after how many seconds."""
    if isinstance(error, _NotNowError):
        if error.pause is None:
            return True
        return error.pause * (1 + random.random() / 4)  # noqa: S311 - so that not all senders come back at once
    return isinstance(error, httpx.TransportError)


def _not_now(response: httpx.Response) -> _NotNowError:
    reason_code, detail = problem_parts(response)
    pause = retry_after(response)
    return _NotNowError(
        f"HTTP {response.status_code} {reason_code or ''}: {detail.rstrip('.')}",
        None if pause is None else min(pause, _LONGEST_RETRY_AFTER_SECONDS),
    )


def _read_items(group: Sequence[Line], response: httpx.Response) -> list[Item]:
    """One answer a line. Raises CliError where the body does not hold as many as there are lines."""
    answer: Any = read_answer(response)
    members = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    results = cast("list[dict[str, Any]]", members.get("results") or [])
    if len(results) != len(group):
        raise CliError(f"{response.url} answered {len(results)} results for {len(group)} events.")
    return [_read_item(line, result) for line, result in zip(group, results, strict=True)]


def _read_item(line: Line, result: dict[str, Any]) -> Item:
    kind = Kind(int(result["status"]), result.get("result"), result.get("reason_code"))
    return Item(line, kind, result.get("detail"))


def _refused_here(line: Line) -> Item:
    return Item(line, _TOO_LONG, "The line is longer than any request may be; it was not sent.")
