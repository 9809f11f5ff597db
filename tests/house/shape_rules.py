"""Rules over the shape of the house: the map, the rooms of the stages, their queries, and what is committed."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pglast import parse_sql
from pglast.parser import ParseError

from .source import (
    REPOSITORY,
    STAGES,
    Module,
    Statement,
    before_the_first_name,
    files_in,
    modules,
    numbered,
    root_of,
    statements,
    where,
)

_NEEDED = {"__init__.py", "store.py", "queries.sql"}
_ALLOWED = _NEEDED | {"rules.py"}
_ALSO_ALLOWED = {"gold": {"tables"}, "ledger": {"chart.yaml"}, "quality": {"checks"}, "files": {"curated.py"}}

_LEAKS = (
    (
        re.compile(r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com)\b", re.IGNORECASE),
        "a package registry's host",
    ),
    (
        re.compile(r"index-url\s*[= ]\s*[\"']?https?://|registry\s*=\s*[\"']https?://", re.IGNORECASE),
        "a package registry's host",
    ),
    (re.compile(r"https?://\S+\.(?:whl|tar\.gz)\b", re.IGNORECASE), "the address of a package file"),
    (re.compile(r"(?<![\w.:}$~*-])/(?:home|root|work)/[\w.-]"), "an absolute path of one machine"),
)
_NOT_SEARCHED = "tests/house/"
"""These tests plant what they look for."""


def packages_are_on_the_map(tree: Path) -> list[str]:
    """The import contract knows only what it lists; a package beside it could import anything."""
    on_the_map = _layers(tree)
    return [
        f"{where(tree, path)}:1: {path.stem} is not on the map; fix: put it into a layer of [tool.importlinter]"
        for path in files_in(tree)
        if _is_importable(path) and path.stem not in on_the_map
    ]


def _is_importable(path: Path) -> bool:
    is_module = path.suffix == ".py" and path.stem not in ("__init__", "__main__")
    return is_module or (path.is_dir() and any(path.rglob("*.py")))


def _layers(tree: Path) -> set[str]:
    config = root_of(tree) / "pyproject.toml"
    text = (config if config.exists() else REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    layers = [layer for contract in contracts if contract["type"] == "layers" for layer in contract["layers"]]
    return {name.strip(" ()") for layer in layers for name in re.split(r"[|:]", layer)}


def stages_have_one_shape(tree: Path) -> list[str]:
    """Who has read one stage has read them all."""
    found: list[str] = []
    for stage in STAGES:
        room = tree / stage
        if not room.is_dir():
            continue
        names = {path.name for path in files_in(room)}
        found += [
            f"{where(tree, room)}:1: the stage has no {name}; fix: write it (no stage without a statement)"
            for name in sorted(_NEEDED - names)
        ]
        found += [
            f"{where(tree, room / name)}:1: has no place in a stage; fix: pure logic into rules.py, flow into pipeline"
            for name in sorted(names - _ALLOWED - _ALSO_ALLOWED.get(stage, set()))
        ]
    return found + [message for module in modules(tree, *STAGES) for message in _unlike_a_sign(tree, module)]


def _unlike_a_sign(tree: Path, module: Module) -> Iterator[str]:
    """What is wrong with a stage's `__init__.py`: it is the sign on the door, one sentence."""
    if module.path.name != "__init__.py" or module.path.parent.parent != tree:
        return
    sentence = (ast.get_docstring(module.ast) or "").strip()
    if not sentence.endswith(".") or re.search(r"[.!?]\s", sentence):
        yield module.at(1, "its docstring is not one sentence; fix: say in one sentence what the stage holds")
    for line in module.ast.body[1:]:
        if not isinstance(line, ast.Import | ast.ImportFrom):
            yield module.at(line, "code in a stage's __init__.py; fix: move it to store.py or rules.py")


def statements_have_names_and_reasons(tree: Path) -> list[str]:
    """A statement is read by its name and judged by its reason."""
    found: list[str] = []
    for path in sorted(tree.rglob("queries.sql")):
        seen: set[str] = set()
        if text := before_the_first_name(path):
            line = path.read_text(encoding="utf-8").split(text[:20])[0].count("\n") + 1
            found.append(
                f"{where(tree, path)}:{line}: a statement without a name; fix: begin it with -- name: snake_case"
            )
            continue
        for statement in statements(tree, path):
            found += _unlike_a_statement(statement)
            if statement.name in seen:
                found.append(statement.at(f"{statement.name} is there twice; fix: rename one"))
            seen.add(statement.name)
    return found


def _unlike_a_statement(statement: Statement) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", statement.name):
        yield statement.at(f"{statement.name!r} is not snake_case; fix: -- name: snake_case")
    if not statement.reason.removeprefix("Why:").strip():
        yield statement.at(f"{statement.name} has no reason; fix: add a line '-- Why: …' below its name")
    try:
        number = len(parse_sql(numbered(statement.sql)))
    except ParseError as error:
        yield statement.at(f"{statement.name} is not PostgreSQL: {error.args[0]}; fix: correct it")
        return
    if number != 1:
        yield statement.at(f"{statement.name} holds {number} statements; fix: one statement a name")


def every_statement_has_its_function(tree: Path) -> list[str]:
    """One function a statement: a name unused is dead SQL, a function of two statements is a verb."""
    found: list[str] = []
    for path in sorted(tree.rglob("queries.sql")):
        names = {statement.name: statement for statement in statements(tree, path)}
        room = [module for module in modules(tree) if module.path.parent == path.parent]
        if path.parent.parent == tree and path.parent.name in STAGES:
            room = [module for module in room if module.path.name == "store.py"]
            found += [message for module in room for message in _functions_of_two(module)]
        used = {name: (module, node) for module in room for name, node in _sql_names(module)}
        found += [
            module.at(node, f"queries.sql has no statement {name}; fix: write it or correct the name")
            for name, (module, node) in used.items()
            if name not in names
        ]
        mentioned = set(used) | {text for module in room if module.path.name != "store.py" for text in _texts(module)}
        found += [
            statement.at(f"{name} is used nowhere; fix: delete it, or write its function in store.py")
            for name, statement in names.items()
            if name not in mentioned
        ]
    return found


def _sql_names(module: Module, within: ast.AST | None = None) -> Iterator[tuple[str, ast.Subscript]]:
    for node in module.nodes if within is None else ast.walk(within):
        if (
            isinstance(node, ast.Subscript)
            and getattr(node.value, "id", "") in ("SQL", "_SQL")
            and isinstance(node.slice, ast.Constant)
        ):
            yield str(node.slice.value), node


def _texts(module: Module) -> set[str]:
    return {n.value for n in module.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _functions_of_two(module: Module) -> Iterator[str]:
    users: dict[str, str] = {}
    for node in module.nodes:
        if not isinstance(node, ast.FunctionDef):
            continue
        names = sorted({name for name, _ in _sql_names(module, node)})
        if len(names) > 1:
            yield module.at(
                node, f"{node.name} runs {', '.join(names)}; fix: one function a statement, the flow in pipeline"
            )
        for name in names:
            if users.setdefault(name, node.name) != node.name:
                yield module.at(node, f"{name} is run by {users[name]} too; fix: keep one function of it")


def nothing_of_one_machine_is_committed(tree: Path) -> list[str]:
    """A checkout builds on any machine, from whichever registry that one is set to."""
    root = root_of(tree)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout.decode()
    found: list[str] = []
    for name in filter(None, listed.split("\0")):
        path = root / name
        if name.startswith(_NOT_SEARCHED) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for pattern, what in _LEAKS:
            if match := pattern.search(text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{name}:{line}: names {what} ({match[0]}); fix: leave it to the machine's configuration")
    return found
