"""What the rules look at: the Python files, named statements and migrations of a package, each read once."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "ledgersafe"

STAGES = (
    "tenants",
    "bronze",
    "gate",
    "quarantine",
    "silver",
    "ledger",
    "gold",
    "files",
    "quality",
    "audit",
    "jobs",
)

_NAME_LINE = re.compile(r"^-- name:[ \t]*(?P<name>.*?)[ \t]*$", re.MULTILINE)
_COMMENT_LINES = re.compile(r"(?:[ \t]*--[^\n]*\n|[ \t]*\n)*")
_PLACEHOLDER = re.compile(r"%%|%\((?P<name>\w+)\)[sbt]|%[sbt]")
_SPACE = re.compile(r"\s+|--[^\n]*|/\*.*?\*/", re.DOTALL)
_AUTO_NAME = "<the statement {number}>"


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file, parsed. `room` is its first folder below the package, or its own name where it has none."""

    path: Path
    where: str
    room: str
    text: str
    ast: ast.Module
    nodes: tuple[ast.AST, ...]

    def at(self, node: ast.AST | int, message: str) -> str:
        """A finding: path:line: message."""
        return f"{self.where}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}: {message}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a `.sql` file. `reason` is its comment, `name` is empty where it has none."""

    path: Path
    where: str
    line: int
    name: str
    reason: str
    sql: str

    def at(self, message: str) -> str:
        """A finding: path:line: message."""
        return f"{self.where}:{self.line}: {message}"


@cache
def _parsed(text: str) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """Parsed and walked once, since nearly every rule looks at every node."""
    module = ast.parse(text)
    return module, tuple(ast.walk(module))


def root_of(tree: Path) -> Path:
    """The repository that holds a package: it lies in <root>/src/<package>."""
    return tree.parents[1]


def where(tree: Path, path: Path) -> str:
    """A path as findings name it: from the repository's root."""
    return path.relative_to(root_of(tree)).as_posix()


def room_of(tree: Path, path: Path) -> str:
    """The first folder below the package, or the module's own name at the top."""
    first = path.relative_to(tree).parts[0]
    return first.removesuffix(".py")


def modules(tree: Path, *rooms: str) -> Iterator[Module]:
    """Every Python file of a package, or of some of its rooms."""
    for path in sorted(tree.rglob("*.py")):
        room = room_of(tree, path)
        if not rooms or room in rooms:
            text = path.read_text(encoding="utf-8")
            yield Module(path, where(tree, path), room, text, *_parsed(text))


def files_in(folder: Path) -> list[Path]:
    """What a person put into a folder."""
    return sorted(path for path in folder.iterdir() if path.name != "__pycache__" and not path.name.startswith("."))


def is_migration(path: Path) -> bool:
    """Whether it is a file of db/migrations, where SQL is not named and has no placeholders."""
    return path.parent.name == "migrations"


def sql_files(tree: Path) -> Iterator[Path]:
    """Every `.sql` file that is not a migration."""
    yield from (path for path in sorted(tree.rglob("*.sql")) if not is_migration(path))


def migrations(tree: Path) -> list[Path]:
    """The migrations, in order."""
    return sorted((tree / "db" / "migrations").glob("*.sql"))


def statements(tree: Path, path: Path) -> list[Statement]:
    """The named statements of a file; one nameless statement where the file names none."""
    text = path.read_text(encoding="utf-8")
    starts = list(_NAME_LINE.finditer(text))
    if not starts:
        return [_statement(tree, path, text, 0, len(text), "")]
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return [
        _statement(tree, path, text, start.start(), end, start["name"]) for start, end in zip(starts, ends, strict=True)
    ]


def _statement(tree: Path, path: Path, text: str, start: int, end: int, name: str) -> Statement:
    part = text[start:end]
    comment = _leading_comment(part)
    lines = [line.strip().removeprefix("--").strip() for line in comment.splitlines()]
    reason = " ".join(line for line in lines if line and not line.startswith("name:"))
    return Statement(path, where(tree, path), text.count("\n", 0, start) + 1, name, reason, part[len(comment) :])


def _leading_comment(text: str) -> str:
    match = _COMMENT_LINES.match(text)
    return match[0] if match else ""


def before_the_first_name(path: Path) -> str:
    """What stands in a file above its first named statement, comments left out."""
    head = _NAME_LINE.split(path.read_text(encoding="utf-8"), maxsplit=1)[0]
    return head[len(_leading_comment(head)) :].strip()


def line_of(text: str, offset: int) -> int:
    """The line of the first character at or after `offset` that is neither space nor a comment."""
    while (match := _SPACE.match(text, offset)) is not None:
        offset = match.end()
    return text.count("\n", 0, offset) + 1


def numbered(sql: str) -> str:
    """psycopg's placeholders as PostgreSQL's: %(name)s and %s become $n, %% becomes %."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        name = match["name"] or _AUTO_NAME.format(number=len(names))
        return f"${names.setdefault(name, len(names) + 1)}"

    return _PLACEHOLDER.sub(number, sql)
