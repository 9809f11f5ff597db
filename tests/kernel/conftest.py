"""The standards' own vectors, unpacked once."""

import io
import tarfile
from pathlib import Path

import pytest
import zstandard


@pytest.fixture(scope="session")
def standards(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of RFC 8785's vectors, JSONTestSuite and ISO 4217; tests skip where the archive is absent."""
    archive = shared / "data" / "standards" / "standards.tar.zst"
    if not archive.is_file():
        pytest.skip(f"the standards' vectors are not here: {archive} is absent")
    folder = tmp_path_factory.mktemp("standards")
    with archive.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as plain:
        unpacked = io.BytesIO(plain.read())
    with tarfile.open(fileobj=unpacked) as files:
        files.extractall(folder, filter="data")
    return folder / "standards"
