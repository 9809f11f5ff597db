"""`events send`: cutting a file, remembering how far it came, counting answers; and what it exits with."""

import io
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Api, clean_environment
from tests.events import sale

from ledgersafe.cli import chunks, sending
from ledgersafe.cli.chunks import Chunk, Line, Span, gaps, read_chunks, with_span
from ledgersafe.cli.client import CliError
from ledgersafe.cli.events import Summary
from ledgersafe.cli.sending import in_parallel
from ledgersafe.cli.tally import FileMark, Item, Kind, Progress, Tally, load_progress, state_path

PROCESSED = Kind(201, "processed", None)


def texts(cut: list[Chunk]) -> list[list[bytes | None]]:
    return [[line.text for line in chunk.lines] for chunk in cut]


def cut(content: bytes, most_events: int = 500, span: Span | None = None) -> list[Chunk]:
    stream = io.BytesIO(content)
    stream.seek(span.start if span else 0)
    return list(read_chunks(stream, span, most_events))


def test_chunks_hold_at_most_so_many_events_and_cover_every_byte() -> None:
    content = b"".join(b'{"n":%d}\n' % number for number in range(1_003))
    found = cut(content, 100)
    assert [len(chunk.lines) for chunk in found] == [100] * 10 + [3]
    assert [chunk.span.start for chunk in found] == [0, *(chunk.span.end for chunk in found[:-1])]
    assert found[-1].span.end == len(content)
    assert b"".join(chunk.body() for chunk in found) == content


def test_chunks_hold_at_most_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 100)
    found = cut(b"".join(b"x" * 39 + b"\n" for _ in range(5)))
    assert [len(chunk.lines) for chunk in found] == [2, 2, 1]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"1\n2", [[b"1", b"2"]]),
        (b"1\r\n\r\n  \n2\r\n", [[b"1", b"2"]]),
        (b"\n \n", [[]]),
        (b"\xef\xbb\xbf1\n2\n", [[b"1", b"2"]]),
        (b" 1 \n", [[b" 1 "]]),
        ("ünï\u2028code\n".encode(), [["ünï\u2028code".encode()]]),
    ],
)
def test_lines_are_found_as_files_have_them(content: bytes, expected: list[list[bytes]]) -> None:
    assert texts(cut(content)) == expected


def test_a_long_line_travels_alone_and_an_endless_one_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "LONG_LINE_BYTES", 10)
    monkeypatch.setattr(chunks, "LONGEST_LINE_BYTES", 50)
    content = b"1\n2\n" + b"l" * 20 + b"\n3\n" + b"e" * 500 + b"\n4\n" + b"e" * 500
    found = cut(content)
    assert texts(found) == [[b"1", b"2"], [b"l" * 20], [b"3"], [None], [b"4"], [None]]
    assert found[-1].span.end == len(content)
    assert [line.at for chunk in found for line in chunk.lines] == [0, 2, 4, 25, 27, 528, 530]


def test_what_is_left_after_any_stop_is_each_missing_line_once() -> None:
    content = b"".join(b'{"n":%d}\n' % number for number in range(500))
    whole = cut(content, 7)
    chance = random.Random(3)  # noqa: S311 - repeatable, not secret
    for _ in range(50):
        answered = chance.sample(whole, chance.randrange(len(whole)))
        done: list[Span] = []
        for chunk in answered:
            done = with_span(done, chunk.span)
        left = [line for gap in gaps(done, len(content)) for chunk in cut(content, 11, gap) for line in chunk.lines]
        both = [line for chunk in answered for line in chunk.lines] + left
        assert sorted(both, key=lambda line: line.at) == [line for chunk in whole for line in chunk.lines]


def test_neighbouring_spans_become_one() -> None:
    done = with_span(with_span([Span(0, 10)], Span(20, 30)), Span(10, 20))
    assert done == [Span(0, 30)]
    assert gaps(done, 30) == []
    assert gaps([Span(10, 20)], 30) == [Span(0, 10), Span(20, 30)]
    assert gaps([], 0) == []


def item(status: int, result: str, reason: str | None, text: bytes = b"{}", at: int = 0) -> Item:
    return Item(Line(at, text), Kind(status, result, reason), "because")


def test_progress_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"{}\n" * 100)
    with file.open("rb") as stream:
        progress = Progress(FileMark.of(stream))
    progress.finished(Span(30, 60))
    progress.finished(Span(0, 30))
    progress.tally.add(item(201, "processed", None))
    progress.tally.add(item(400, "refused", "INVALID_JSON", b"\xff\x1b{", at=7))
    state = state_path(tmp_path / "state", file, "http://127.0.0.1:8000/")
    progress.save(state)
    assert load_progress(state) == progress
    assert progress.done == [Span(0, 60)]
    assert progress.done_bytes() == 60
    assert [path.name for path in state.parent.iterdir()] == [state.name], "no half-written file is left beside it"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"version":99}'])
def test_a_state_that_cannot_be_read_means_starting_anew(tmp_path: Path, content: bytes) -> None:
    state = tmp_path / "state.json"
    assert load_progress(state) is None
    state.write_bytes(content)
    assert load_progress(state) is None


def test_each_file_and_each_address_has_its_own_state(tmp_path: Path) -> None:
    one = state_path(tmp_path, Path("a.ndjson"), "http://one")
    assert one == state_path(tmp_path, Path("a.ndjson").absolute(), "http://one/")
    assert one != state_path(tmp_path, Path("b.ndjson"), "http://one")
    assert one != state_path(tmp_path, Path("a.ndjson"), "http://two")


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"

    def mark(content: bytes) -> FileMark:
        file.write_bytes(content)
        with file.open("rb") as stream:
            found = FileMark.of(stream)
            assert stream.tell() == 0
        return found

    first = mark(b"one\n")
    assert mark(b"one\ntwo\n") != first
    assert mark(b"two\n").head_sha256 != first.head_sha256


def test_answers_are_counted_by_kind_with_a_few_samples() -> None:
    tally = Tally()
    for number in range(20):
        tally.add(item(201, "processed", None))
        tally.add(item(202, "quarantined", "TOTALS_MISMATCH"))
        tally.add(item(400, "refused", "INVALID_JSON", b"{" * 5_000, at=number))
    assert tally.by_result() == [
        {"status": 201, "result": "processed", "reason_code": None, "count": 20},
        {"status": 202, "result": "quarantined", "reason_code": "TOTALS_MISMATCH", "count": 20},
        {"status": 400, "result": "refused", "reason_code": "INVALID_JSON", "count": 20},
    ]
    assert [sample.at for sample in tally.samples] == [0, 1, 2, 3, 4]
    assert all(len(sample.text) <= 120 for sample in tally.samples)
    assert (tally.events(), tally.refused(), tally.failed()) == (60, 20, 0)
    tally.add(item(500, "failed", "INTERNAL_ERROR"))
    assert (tally.refused(), tally.failed()) == (20, 1)


def test_the_summary_counts_every_run_and_rates_only_this_one() -> None:
    tally = Tally()
    for _ in range(30):
        tally.add(item(201, "processed", None))
    summary = Summary("x.ndjson", tally, seconds=2.0, resumed_from=10)
    assert summary.rate() == 10.0
    assert summary.as_json() == {
        "file": "x.ndjson",
        "events": 30,
        "seconds": 2.0,
        "by_result": [{"status": 201, "result": "processed", "reason_code": None, "count": 30}],
        "resumed_from": 10,
    }


def numbered(count: int) -> list[Chunk]:
    return [Chunk(Span(number, number + 1), (Line(number, b"{}"),)) for number in range(count)]


def answers(chunk: Chunk) -> list[Item]:
    return [Item(line, PROCESSED) for line in chunk.lines]


def test_one_thread_keeps_the_order_and_several_lose_nothing() -> None:
    assert [chunk for chunk, _ in in_parallel(numbered(50), answers, 1)] == numbered(50)
    several = [chunk for chunk, _ in in_parallel(numbered(50), answers, 8)]
    assert sorted(several, key=lambda chunk: chunk.span.start) == numbered(50)


def test_few_chunks_are_held_however_many_there_are() -> None:
    taken = 0

    def source() -> object:
        nonlocal taken
        for chunk in numbered(1_000):
            taken += 1
            yield chunk

    seen = 0
    for _ in in_parallel(source(), answers, 3):  # pyright: ignore[reportArgumentType]
        seen += 1
        assert taken - seen < 2 * 3
    assert seen == 1_000


def test_a_failure_in_a_thread_reaches_who_asked() -> None:
    def refuse(chunk: Chunk) -> list[Item]:
        if chunk.span.start == 5:
            raise CliError("no")
        return answers(chunk)

    with pytest.raises(CliError, match="no"):
        list(in_parallel(numbered(50), refuse, 4))


def test_a_wait_asked_for_is_kept_and_a_bug_is_not_tried_again() -> None:
    pause = sending._pause_before_retry(sending._NotNowError("busy", 4.0))
    assert isinstance(pause, float)
    assert 4.0 <= pause <= 5.0
    assert sending._pause_before_retry(sending._NotNowError("busy", None)) is True
    assert sending._pause_before_retry(ValueError("a bug")) is False


def sent(
    api: Api, home: Path, file: Path | None, *lines: bytes, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    """`events send` of these lines, from a file or, without one, from standard input."""
    environment = clean_environment() | {"LEDGERSAFE_URL": api.url, "LEDGERSAFE_API_KEY": api.key}
    environment["XDG_STATE_HOME"] = str(home)
    content = b"".join(line + b"\n" for line in lines)
    if file is not None:
        file.write_bytes(content)
    command = [sys.executable, "-m", "ledgersafe", "events", "send", str(file or "-"), *options]
    return subprocess.run(
        command, env=environment, input=b"" if file else content, capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize("from_file", [True, False])
def test_it_exits_with_1_where_an_event_was_refused(api: Api, tenant: str, tmp_path: Path, from_file: bool) -> None:
    file = tmp_path / "events.ndjson" if from_file else None
    good = json.dumps(sale(tenant, "good")).encode()
    done = sent(api, tmp_path, file, good, b'{"a"')
    assert done.returncode == 1, done.stderr
    assert b"nothing of these was posted" in done.stdout
    assert b"1 event was refused" in done.stderr
    told = sent(api, tmp_path, file, good, b'{"a"', b"[]", options=("--json",))
    assert told.returncode == 1, told.stderr
    counted = {(one["status"], one["result"]): one["count"] for one in json.loads(told.stdout)["by_result"]}
    assert counted[200, "duplicate"] == 1
    assert sum(count for (status, _), count in counted.items() if 400 <= status < 500) == 2
    assert b"2 events were refused" in told.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_it_exits_with_0_where_events_were_only_parked(
    api: Api, tenant: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    parked = json.dumps(sale(tenant, "parked", total_amount=1)).encode()
    done = sent(api, tmp_path, None, parked, json.dumps(sale(tenant, "good")).encode(), options=options)
    assert done.returncode == 0, done.stderr
    assert b"quarantined" in done.stdout
    assert b"refused" not in done.stderr
