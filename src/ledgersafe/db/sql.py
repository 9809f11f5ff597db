"""Named SQL: statements live in `queries.sql` beside the code that uses them, never in strings put together by Python.

-- name: claim_keys
-- Why: one line with the reason.
INSERT INTO …
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE)


class Statements(Mapping[str, bytes]):
    """The statements of one `queries.sql`, by name. Raises ValueError when the file names one twice."""

    def __init__(self, package: str) -> None:
        text = files(package).joinpath("queries.sql").read_text(encoding="utf-8")
        _, *parts = _NAME.split(text)
        self._package = package
        self._statements = {name: body.strip().encode() for name, body in zip(parts[::2], parts[1::2], strict=True)}
        if len(self._statements) * 2 != len(parts):
            raise ValueError(f"{package}/queries.sql names a statement twice")

    def __getitem__(self, name: str) -> bytes:
        try:
            return self._statements[name]
        except KeyError:
            raise KeyError(f"{self._package}/queries.sql has no statement named {name}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)
