"""The daily files of the real data, as their makers published them: see shared/data/README.md."""

import io
import tarfile
from pathlib import Path

import zstandard


def daily_files(shared: Path, packed: str, begins: str = "") -> dict[str, bytes]:
    """Filename → bytes of the CSV files of an archive whose names begin so; by name, which is by day within a year."""
    content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO((shared / "data" / packed).read_bytes())).read()
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            name = Path(member.name).name
            if name.endswith(".csv") and name.startswith(begins) and (file := archive.extractfile(member)) is not None:
                found[name] = file.read()
    return dict(sorted(found.items()))
