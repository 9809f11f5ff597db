"""Senders of files: streamed, to any process, at times to two at once or again; what is not answered is sent again."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event, Thread

import httpx

from tests.attack.recipes import Plan, Recipe, make

_PIECE = 256 * 1024
_MOST_WAITING = 2
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Ack:
    """What a sender was told of a file."""

    ingestion_id: str
    duplicate: bool
    sha256: str
    size: int


@dataclass(slots=True)
class Book:
    """What was sent, and what was answered. `unsure`: tries without a good answer, by why. `odd`: what none may get."""

    recipes: dict[int, Recipe] = field(default_factory=dict[int, Recipe])
    acks: defaultdict[int, list[Ack]] = field(default_factory=lambda: defaultdict[int, list[Ack]](list))
    unsure: Counter[str] = field(default_factory=Counter[str])
    odd: list[str] = field(default_factory=list[str])

    def note(self, recipe: Recipe, answer: httpx.Response) -> bool:
        """Whether that was a good answer."""
        if answer.status_code in (200, 201):
            content = answer.json()
            of = content["ingestion"]
            if content["duplicate"] != (answer.status_code == 200):
                self.odd.append(f"{answer.status_code} and duplicate: {content['duplicate']}")
            told = Ack(of["ingestion_id"], content["duplicate"], of["sha256"], of["size_bytes"])
            self.acks[recipe.number].append(told)
            return True
        self.unsure[str(answer.status_code)] += 1
        if answer.status_code != 503:
            self.odd.append(f"{answer.status_code} {answer.text} to {recipe}")
        return answer.status_code != 503


class Senders:
    """Two of them, on threads of their own. `waiting`: how many deliveries are not over; so many are enough."""

    def __init__(
        self, urls: Sequence[str], key: str, book: Book, plan: Plan, waiting: Callable[[], int], seed: int
    ) -> None:
        self._urls, self._book, self._plan, self._waiting = list(urls), book, plan, waiting
        self._client = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False)
        self._random = Random(seed)  # noqa: S311 - it chooses whom to ask
        self._draining = Event()
        self._given_up = Event()
        self._both = ThreadPoolExecutor(4)
        self._failures = list[Exception]()
        self._threads = [Thread(target=self._work, daemon=True) for _ in range(2)]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """A test that failed leaves no senders behind."""
        self._draining.set()
        self._given_up.set()
        for thread in self._threads:
            thread.join(_PATIENCE)
        self._both.shutdown()
        self._client.close()

    def drain(self) -> None:
        """Send nothing new; returns when all is answered. Raises what went wrong in a sender."""
        self._draining.set()
        for thread in self._threads:
            thread.join(_PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "not everything was answered"
        if self._failures:
            raise self._failures[0]

    def send(self, recipe: Recipe, body: bytes) -> None:
        """Until it is received: once, to two at once, or once and again."""
        self._book.recipes[recipe.number] = recipe
        way = self._random.random()
        if way < 0.3:
            list(self._both.map(lambda url: self._bring(recipe, body, url), self._urls))
            return
        self._bring(recipe, body, None)
        if way > 0.8:
            self._bring(recipe, body, None)

    def _work(self) -> None:
        try:
            while not self._draining.is_set():
                if self._waiting() >= _MOST_WAITING:
                    self._draining.wait(0.1)
                    continue
                recipe = self._plan.next()
                self.send(recipe, make(recipe).body)
        except Exception as error:  # noqa: BLE001 - it is raised where the senders are drained
            self._failures.append(error)

    def _bring(self, recipe: Recipe, body: bytes, first: str | None) -> None:
        """The same file, until there is an answer."""
        url = first
        while not self._given_up.is_set():
            try:
                if self._book.note(recipe, self._post(url or self._random.choice(self._urls), recipe, body)):
                    return
            except httpx.HTTPError as error:
                self._book.unsure[type(error).__name__] += 1
            url = None
            time.sleep(0.1 + 0.2 * self._random.random())

    def _post(self, url: str, recipe: Recipe, body: bytes) -> httpx.Response:
        """With its length told before, or in pieces of no told length."""
        asked = {"dataset": recipe.dataset, "filename": recipe.filename, "tenant_id": recipe.tenant}
        content = body if self._random.random() < 0.5 else _pieces(body)
        return self._client.post(f"{url}/v1/ingestions", params=asked, content=content)


def _pieces(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]
        time.sleep(0.005)
