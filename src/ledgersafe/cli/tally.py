"""What the API answered, counted; and how far a file was sent, remembered on disk until all of it was."""

import os
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from ledgersafe.cli.chunks import Line, Span, with_span

MOST_SAMPLES = 5
_HEAD_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 80
_VERSION = 1


class Kind(NamedTuple):
    """What answers are counted by."""

    status: int
    result: str | None
    reason_code: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """The answer to one event. `detail` says more of a refusal, where the answer did."""

    line: Line
    kind: Kind
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A refused event to look at: the byte of the file at which it begins, why, and the beginning of its text."""

    at: int
    status: int
    reason_code: str | None
    detail: str | None
    text: str


@dataclass(slots=True)
class Tally:
    """Answers by kind, and the first few refused events."""

    counts: Counter[Kind] = field(default_factory=Counter[Kind])
    samples: list[Sample] = field(default_factory=list[Sample])

    def add(self, item: Item) -> None:
        """Count one answer."""
        self.counts[item.kind] += 1
        if item.kind.status >= 400 and len(self.samples) < MOST_SAMPLES:
            text = (item.line.text or b"")[: 4 * _SHOWN_CHARACTERS].decode(errors="replace")[:_SHOWN_CHARACTERS]
            self.samples.append(Sample(item.line.at, item.kind.status, item.kind.reason_code, item.detail, text))

    def events(self) -> int:
        """How many events were answered."""
        return self.counts.total()

    def refused(self) -> int:
        """How many events were refused (4xx): nothing of them was posted. Parked ones (202) are none of these."""
        return sum(count for kind, count in self.counts.items() if 400 <= kind.status < 500)

    def failed(self) -> int:
        """How many events the server failed at (5xx): they are neither kept nor refused."""
        return sum(count for kind, count in self.counts.items() if kind.status >= 500)

    def by_result(self) -> list[dict[str, Any]]:
        """The counts as JSON: `{status, result, reason_code, count}`, in the order of status, result and reason."""
        ordered = sorted(self.counts.items(), key=lambda each: (each[0].status, each[0][1] or "", each[0][2] or ""))
        return [{**kind._asdict(), "count": count} for kind, count in ordered]


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells a file from a changed one, without reading all of it."""

    size: int
    mtime_ns: int
    head_sha256: str

    @classmethod
    def of(cls, stream: BinaryIO) -> "FileMark":
        """The mark of an open file; `stream` stands at its beginning again afterwards."""
        details = os.fstat(stream.fileno())
        stream.seek(0)
        head = sha256(stream.read(_HEAD_BYTES)).hexdigest()
        stream.seek(0)
        return cls(details.st_size, details.st_mtime_ns, head)


@dataclass(slots=True)
class Progress:
    """How far one file was sent to one address. `done`: what was answered, sorted, apart from each other."""

    mark: FileMark
    done: list[Span] = field(default_factory=list[Span])
    tally: Tally = field(default_factory=Tally)

    def finished(self, span: Span) -> None:
        """Note that all events of a span were answered."""
        self.done = with_span(self.done, span)

    def done_bytes(self) -> int:
        """How many bytes of the file are done."""
        return sum(span.end - span.start for span in self.done)

    def save(self, path: Path) -> None:
        """Write it so that a kill at any moment leaves the old or the new state, never a mixture."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {"version": _VERSION, "mark": self.mark, "done": self.done}
        content |= {"counts": self.tally.by_result(), "samples": self.tally.samples}
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_bytes(orjson.dumps(content))
        beside.replace(path)


def state_path(state_home: Path, file: Path, url: str) -> Path:
    """Where the progress of sending a file to an address is kept."""
    identity = f"{file.resolve()}\n{url.rstrip('/')}".encode()
    return state_home / "ledgersafe" / "send" / f"{sha256(identity).hexdigest()[:32]}.json"


def load_progress(path: Path) -> Progress | None:
    """The progress saved at `path`; None where there is none, or none that can be read: then all is sent anew."""
    try:
        content: dict[str, Any] = orjson.loads(path.read_bytes())
        if content["version"] != _VERSION:
            return None
        counts = {
            Kind(each["status"], each["result"], each["reason_code"]): each["count"] for each in content["counts"]
        }
        tally = Tally(Counter(counts), [Sample(**each) for each in content["samples"]])
        return Progress(FileMark(**content["mark"]), [Span(**each) for each in content["done"]], tally)
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
