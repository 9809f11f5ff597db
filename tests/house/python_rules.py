"""Rules over the Python files: clock, settings, transactions, SQL in strings, the edge, errors, sizes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pglast import parse_sql
from pglast.parser import ParseError

from .source import Module, modules

LONGEST_FILE = 500
LONGEST_FUNCTION = 80

_CLOCKS = {
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
}
_ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"}
_EXECUTES = {"execute", "executemany", "query", "scalars", "stream", "copy"}
_EDGE = ("api", "pos")
_HTTP_ONLY = {"console": {"kernel", "client"}, "simulator": {"kernel"}, "pos": {"kernel"}}
"""Clients of the API, and what each may import of Ledgersafe beside itself."""
_EVERYTHING = {"Exception", "BaseException"}

_SQL_UPPER = re.compile(
    r"""\s*(?:
      SELECT\s | INSERT\s+INTO\b | UPDATE\s+\S+(?:\s+(?:AS\s+)?\w+)?\s+SET\b | DELETE\s+FROM\b | MERGE\s+INTO\b
    | TRUNCATE\s+\S | WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\([^)]*\)\s*)?AS\s | COPY\s+\S+.*\b(?:FROM|TO)\b | VALUES\s*\(
    | (?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+|TEMP(?:ORARY)?\s+|UNLOGGED\s+|MATERIALIZED\s+)?
      (?:TABLE|SCHEMA|INDEX|VIEW|FUNCTION|ROLE|USER|DATABASE|SEQUENCE|TYPE|TRIGGER|POLICY|EXTENSION)\b
    | (?:GRANT|REVOKE)\s+\S+.*\b(?:ON|TO|FROM)\b | SET\s+(?:LOCAL|ROLE|SESSION)\b | LOCK\s+TABLE\b
    | (?:LISTEN|NOTIFY)\s+\w | (?:REFRESH\s+MATERIALIZED|EXPLAIN\s+(?:ANALYZE|SELECT|\()) | FOR\s+UPDATE\b
    )""",
    re.VERBOSE | re.DOTALL,
)
_SQL_LOWER = re.compile(r"\s*(?:select|insert|update|delete|merge|with|create|alter|drop|truncate|grant|copy)\s")
_HOLE = "hole"


def _imported(module: Module) -> dict[str, str]:
    """What each imported name of a module stands for: {"dt": "datetime.datetime"}."""
    names: dict[str, str] = {}
    for node in module.nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                names[name.asname or name.name.split(".")[0]] = name.name if name.asname else name.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                names[name.asname or name.name] = f"{node.module}.{name.name}"
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The full name of `a.b.c`, with imports followed; None for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value, names)
        return f"{left}.{node.attr}" if left else None
    return None


def _uses(module: Module, wanted: set[str]) -> Iterator[tuple[ast.expr, str]]:
    names = _imported(module)
    for node in module.nodes:
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            name = _dotted(node, names)
            if name in wanted:
                yield node, name


def _called(node: ast.Call) -> str:
    """The last part of what is called: `tx.execute(...)` → execute."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _calls(module: Module) -> Iterator[tuple[ast.Call, str]]:
    for node in module.nodes:
        if isinstance(node, ast.Call):
            yield node, _called(node)


def clock_is_handed_in(tree: Path) -> list[str]:
    """Tests and replays set the time; a module that asks the machine cannot be told it."""
    return [
        module.at(node, f"{name} asks the machine for the time; fix: take a Clock (kernel/clock.py) and call its now()")
        for module in modules(tree)
        if module.path != tree / "kernel" / "clock.py"
        for node, name in _uses(module, _CLOCKS)
    ]


def settings_are_read_once(tree: Path) -> list[str]:
    """Parts receive plain values, so that a test can hand them others. A child's environment is set by its parent."""
    found: list[str] = []
    for module in modules(tree):
        if module.room in ("bootstrap", "settings"):
            continue
        found += [
            module.at(node, "Settings are read outside bootstrap; fix: take the plain value as a parameter")
            for node, name in _calls(module)
            if name == "Settings"
        ]
        found += [
            module.at(node, f"{name} is read outside bootstrap; fix: add a field to Settings and take the plain value")
            for node, name in _uses(module, _ENVIRONMENT)
            if not (name == "os.environ" and (module.room == "cli" or "embedded" in module.path.parts))
        ]
    return found


def transactions_end_in_pipeline(tree: Path) -> list[str]:
    """One transaction a verb: whoever else could commit could commit half of it."""
    return [
        module.at(node, f".{name}() outside pipeline; fix: take a Tx as parameter and let the verb in pipeline open it")
        for module in modules(tree)
        if module.room not in ("pipeline", "db")
        for node, name in _calls(module)
        if name in ("transaction", "commit", "rollback") and isinstance(node.func, ast.Attribute)
    ]


_DRIVEN_FROM_THE_LOOP = (("db", "line.py"), ("db", "script.py"), ("pipeline", "accept.py"))
_DOORS = (("console", "door.py"),)
"""Before Streamlit, which runs pages in threads, there is only HTTP to be judged: no page waits for many at once."""


def core_is_synchronous(tree: Path) -> list[str]:
    """Only the edge waits for many at once; below it, a statement is not written twice.

    Accept serves the edge's group commit as well: it is one generator, which three files drive (ADR 0004). The
    console's door is an edge in one file.
    """
    return [
        module.at(node, f"async def {node.name} outside api and pos; fix: make it a plain function")
        for module in modules(tree)
        if module.room not in _EDGE and module.path.parts[-2:] not in (*_DRIVEN_FROM_THE_LOOP, *_DOORS)
        for node in module.nodes
        if isinstance(node, ast.AsyncFunctionDef)
    ]


def only_cli_prints(tree: Path) -> list[str]:
    """Standard output belongs to the command that a person typed."""
    return [
        module.at(node, "print() outside cli; fix: return the value, or log it with structlog")
        for module in modules(tree)
        if module.room != "cli"
        for node, name in _calls(module)
        if name == "print" and isinstance(node.func, ast.Name)
    ]


def no_yield_dependencies(tree: Path) -> list[str]:
    """FastAPI runs what follows the yield after the answer is sent: a commit there fails behind a 202."""
    edge = list(modules(tree, *_EDGE))
    given = {
        argument.attr if isinstance(argument, ast.Attribute) else getattr(argument, "id", "")
        for module in edge
        for node, name in _calls(module)
        if name in ("Depends", "Security")
        for argument in [*node.args[:1], *(k.value for k in node.keywords if k.arg == "dependency")]
    }
    return [
        module.at(node, f"{node.name} yields and is passed to Depends; fix: return the value, end it in the handler")
        for module in edge
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in given and _yields(node)
    ]


def _yields(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether its own body yields; functions within it are others."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))
    return False


def bugs_are_not_swallowed(tree: Path) -> list[str]:
    """A bug crashes and is counted; one that is passed over is found by an auditor."""
    found: list[str] = []
    for module in modules(tree):
        for node in module.nodes:
            if isinstance(node, ast.ExceptHandler) and _catches_everything(node.type) and _does_nothing(node.body):
                found.append(module.at(node, "every error is swallowed; fix: name the expected error, or let it crash"))
        found += [
            module.at(node, "suppress() of every error; fix: name the expected error, or let it crash")
            for node, name in _calls(module)
            if name == "suppress" and any(_catches_everything(argument) for argument in node.args)
        ]
    return found


def _catches_everything(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_catches_everything(part) for part in kind.elts)
    return kind is None or getattr(kind, "id", getattr(kind, "attr", "")) in _EVERYTHING


def _does_nothing(body: list[ast.stmt]) -> bool:
    return all(
        isinstance(line, ast.Pass | ast.Continue)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in body
    )


_COMPOSED = "files/curated.py"
"""Its tables' names and columns come from contracts, so its statements are composed, by psycopg.sql."""


def sql_lives_in_sql_files(tree: Path) -> list[str]:
    """A statement has a name and a reason beside it, and is checked for Citus; a string has neither."""
    found: list[str] = []
    for module in modules(tree):
        if module.room == "db" or module.path.relative_to(tree).as_posix() == _COMPOSED:
            continue
        found += [
            module.at(node, "SQL in a string; fix: name it in the stage's queries.sql and call it from store.py")
            for node, text in _strings(module.ast)
            if _is_sql(text)
        ]
        found += [
            module.at(node, f"{name}() of a statement put together by Python; fix: name it in queries.sql, pass values")
            for node, name in _calls(module)
            if name in _EXECUTES and any(_is_assembled(argument) for argument in node.args)
        ]
    return found


def _strings(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Every string but docstrings; an f-string is one, with a name in place of each hole."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.JoinedStr):
            yield node, "".join(str(part.value) if isinstance(part, ast.Constant) else _HOLE for part in node.values)
            pending.extend(part.value for part in node.values if isinstance(part, ast.FormattedValue))
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node, node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        pending.extend(ast.iter_child_nodes(node))


def _is_sql(text: str) -> bool:
    """Upper-case keywords tell by themselves; lower-case ones may be English, so PostgreSQL's parser decides."""
    if _SQL_UPPER.match(text):
        return True
    if not _SQL_LOWER.match(text):
        return False
    try:
        return bool(parse_sql(re.sub(r"%\(\w+\)s|%s", "$1", text)))
    except ParseError:
        return False


def _is_assembled(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod) and bool(list(_strings(node))))
        or (isinstance(node, ast.Call) and _called(node) in ("format", "join", "format_map"))
    )


def reaches_by_http_only(tree: Path) -> list[str]:
    """The till, the console and the simulator are clients like any other; what they can do, everybody can."""
    found: list[str] = []
    for module in modules(tree, *_HTTP_ONLY):
        for node in module.nodes:
            for name in _targets(node, tree.name):
                allowed = {module.room} | _HTTP_ONLY[module.room]
                if name not in allowed:
                    message = f"{module.room} imports {tree.name}.{name}; fix: call the API over HTTP"
                    found.append(module.at(node, f"{message} (may be imported: {', '.join(sorted(allowed))})"))
    return found


def _targets(node: ast.AST, package: str) -> list[str]:
    """The rooms of our package that an import statement names."""
    if isinstance(node, ast.ImportFrom) and node.module == package:
        return [name.name for name in node.names if not name.name.startswith("__")]
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{package}."):
        return [node.module.split(".")[1]]
    if isinstance(node, ast.Import):
        return [name.name.split(".")[1] for name in node.names if name.name.startswith(f"{package}.")]
    return []


def one_table_of_reasons(tree: Path) -> list[str]:
    """Codes are forever, and the docs list them from one table: a reason made elsewhere is in neither."""
    table = tree / "kernel" / "reasons.py"
    found: list[str] = []
    for module in modules(tree):
        if module.path == table:
            found += _misnamed_reasons(module)
            continue
        found += [
            module.at(node, "a Reason is made outside kernel/reasons.py; fix: add one line to that table and import it")
            for node, name in _calls(module)
            if name in ("Reason", "_reason")
        ]
    return found


def _misnamed_reasons(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        first = next(iter(node.value.args), None)
        if _called(node.value) not in ("Reason", "_reason") or not isinstance(first, ast.Constant):
            continue
        code, name = str(first.value), getattr(node.targets[0], "id", None)
        if not re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", code):
            yield module.at(node, f"reason code {code!r} is not UPPER_SNAKE; fix: rename it before it is ever stored")
        elif name is not None and name != code:
            yield module.at(node, f"reason code {code} is called {name}; fix: give the variable the code's name")


def event_types_are_files(tree: Path) -> list[str]:
    """Adding a file adds the type, and nothing else does; the folder is the list."""
    folder = tree / "contracts" / "events"
    found: list[str] = []
    for module in modules(tree):
        types = [node for node, name in _calls(module) if name == "EventType"]
        if module.path.parent != folder or module.path.stem == "__init__":
            message = "an EventType is made outside contracts/events; fix: move it to contracts/events/<name>.py"
            found += [module.at(node, message) for node in types]
            continue
        name = module.path.stem.upper()
        if [_keyword(node, "name") for node in types] != [name] or "EVENT_TYPE" not in _assigned(module):
            found.append(module.at(1, f"it must hold one type, its own; fix: EVENT_TYPE = EventType(name={name!r}, …)"))
    return found


def _keyword(call: ast.Call, name: str) -> object:
    return next((k.value.value for k in call.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None)


def _assigned(module: Module) -> set[str]:
    lines = [line for line in module.ast.body if isinstance(line, ast.Assign | ast.AnnAssign)]
    return {
        getattr(target, "id", "")
        for line in lines
        for target in (line.targets if isinstance(line, ast.Assign) else [line.target])
    }


def nothing_is_long(tree: Path) -> list[str]:
    """What does not fit a reader's head hides what it does."""
    found: list[str] = []
    for module in modules(tree):
        lines = module.text.count("\n")
        if lines > LONGEST_FILE:
            found.append(module.at(1, f"{lines} lines; fix: split the file (at most {LONGEST_FILE} lines)"))
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    message = f"{node.name} has {length} lines; fix: split it (at most {LONGEST_FUNCTION} lines)"
                    found.append(module.at(node, message))
    return found
