"""Real days of a retailer, by a contract and no code: the very events that were made of them by a program of their own."""

import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from ledgersafe.contracts.datasets.checking import ROW, check
from ledgersafe.contracts.datasets.events import EventMaker, groups
from ledgersafe.contracts.datasets.reading import read_dataset
from ledgersafe.formats.kinds import kind_of
from ledgersafe.formats.rows import Bounds, Wishes
from tests.pipeline.oracle import events

CONTRACT = Path(__file__).with_name("online_retail.yaml")
MONTH = "2010-02"


@pytest.mark.shared
def test_a_contract_makes_the_same_events_as_the_program(shared: Path, tmp_path: Path) -> None:
    dataset = read_dataset(CONTRACT.read_text(encoding="utf-8"))
    assert dataset.shape.events is not None
    maker = EventMaker(dataset, "t")
    made = []
    for file in days(shared, tmp_path):
        opened = kind_of(file.name).open(file, Wishes(), Bounds())
        for batch in opened.batches:
            found = check(dataset, batch.frame)
            assert (batch.broken, found.faults.height) == ((), 0)
            rows = ((row[ROW], row) for row in found.good.iter_rows(named=True))
            made += [maker.make(group).event for group in groups(dataset.shape.events, rows).values()]
    expected = events(shared, "t", MONTH)
    assert len(expected) > 1_000
    assert made == expected


def days(shared: Path, folder: Path) -> list[Path]:
    """The month's daily files, unpacked."""
    packed = (shared / "data/online_retail/daily.tar.zst").read_bytes()
    content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            if member.isfile() and Path(member.name).name.startswith(MONTH):
                archive.extract(member, folder, filter="data")
    return sorted(folder.rglob("*.csv"))
