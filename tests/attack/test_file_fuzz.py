"""Files with random damage, of every format: each is read, or refused with a reason; nothing else ever comes of one."""

import gzip
import io
import json
import os
import random
from pathlib import Path

import openpyxl
import polars as pl
import pytest
import zstandard

from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Bounds, UnreadableFile, Wishes
from ledgersafe.kernel.reasons import REASONS

pytestmark = [pytest.mark.attack, pytest.mark.together]
ROUNDS = 4_000 if os.environ.get("FULL") == "1" else 400
PIECES = ("a", "1", '"', ",", ";", "\n", "\r", "\r\n", " ", "\x00", "\ufeff", "é", "\t", '""', ',"', '",', "\x1a", "|")


def samples() -> dict[str, bytes]:
    """A sound file of each format."""
    text, book, columns = b'a,b\n1,"2"\n' * 50, io.BytesIO(), io.BytesIO()
    made = openpyxl.Workbook()
    for row in (["a", "b"], ["x", 1.5], ["y", None]):
        made.worksheets[0].append(row)
    made.save(book)
    pl.DataFrame({"a": [str(at) for at in range(500)], "b": [1.5] * 500, "c": [[1]] * 500}).write_parquet(columns)
    return {
        "x.csv": text,
        "x.csv.gz": gzip.compress(text, mtime=0),
        "x.csv.zst": zstandard.compress(text),
        "x.json": json.dumps([{"a": 1, "b": "x"}] * 20).encode(),
        "x.ndjson": b'{"a": 1, "b": "x"}\n' * 20,
        "x.xlsx": book.getvalue(),
        "x.parquet": columns.getvalue(),
    }


def damaged(data: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, taken out, put in or cut off."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at, kind = chance.randrange(len(found) + 1), chance.random()
        if kind < 0.5:
            found[at : at + 1] = bytes([chance.randrange(256)])
        elif kind < 0.7:
            del found[at : at + chance.randint(1, 50)]
        elif kind < 0.85:
            found[at:at] = chance.randbytes(chance.randint(1, 9))
        else:
            del found[at:]
    return bytes(found)


def numbers_of(path: Path) -> list[int] | str:
    """The numbers of all rows, good or broken, in the order of the batches; the reason where it is refused."""
    numbers: list[int] = []
    try:
        for batch in kind_of(path.name).open(path, Wishes(), Bounds()).batches:
            assert batch.frame["_row_number"].is_sorted()
            numbers += [*batch.frame["_row_number"].to_list(), *(row.number for row in batch.broken)]
    except UnreadableFile as error:
        return error.code
    return numbers


@pytest.mark.parametrize("name", list(samples()))
def test_damaged_files(tmp_path: Path, name: str) -> None:
    chance, data, path = random.Random(name), samples()[name], tmp_path / name  # noqa: S311 - not for secrets
    assert isinstance(numbers_of_bytes(path, data), list)
    for _ in range(ROUNDS):
        numbers_of_bytes(path, damaged(data, chance))


def test_delimited_text_of_odd_pieces(tmp_path: Path) -> None:
    """No row is told of twice, whatever stands in them."""
    chance = random.Random(7)  # noqa: S311 - not for secrets
    for _ in range(ROUNDS * 4):
        text = "k,l,m\n" + "".join(chance.choices(PIECES, k=chance.randint(0, 40)))
        encoding = chance.choice(["utf-8", "cp1252", "utf-16", "utf-8-sig"])
        numbers = numbers_of_bytes(tmp_path / "x.csv", text.encode(encoding, "replace"))
        assert isinstance(numbers, str) or len(set(numbers)) == len(numbers), text


def numbers_of_bytes(path: Path, data: bytes) -> list[int] | str:
    path.write_bytes(data)
    found = numbers_of(path)
    assert not isinstance(found, str) or found in REASONS
    return found
