"""The house rules hold, and each of them catches what it is there to catch."""

import re
from pathlib import Path

import pytest

from . import python_rules, rules, shape_rules, sql_rules
from .minitree import make
from .rules import RULES, Rule
from .source import PACKAGE

_FORM = re.compile(r"[\w./-]+:\d+: .+; fix: .+", re.DOTALL)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule: Rule) -> None:
    findings = rule(PACKAGE)
    assert not findings, "\n" + "\n".join(findings)


def _grant(right: str) -> dict[str, str]:
    return {"db/migrations/0002_grant.sql": right}


def _queries(sql: str, reason: str = "Why: a reason.") -> dict[str, str]:
    return {"gate/queries.sql": f"-- name: claim\n-- {reason}\n{sql}\n"}


def _function(name: str, body: str, options: str = "") -> dict[str, str]:
    head = f"CREATE FUNCTION {name}() RETURNS void LANGUAGE plpgsql {options} AS $$"
    return {"db/migrations/0002_function.sql": f"{head}\nBEGIN\n  {body}\nEND\n$$;\n"}


PLANTED: list[tuple[Rule, dict[str, str]]] = [
    (shape_rules.packages_are_on_the_map, {"shed/__init__.py": ""}),
    (shape_rules.packages_are_on_the_map, {"helpers.py": ""}),
    (shape_rules.stages_have_one_shape, {"gate/helpers.py": ""}),
    (shape_rules.stages_have_one_shape, {"gate/tables/a.sql": "SELECT 1"}),
    (shape_rules.stages_have_one_shape, {"jobs/__init__.py": '"""No store."""\n'}),
    (shape_rules.stages_have_one_shape, {"gate/__init__.py": '"""One sentence. Another one."""\n'}),
    (shape_rules.stages_have_one_shape, {"gate/__init__.py": '"""One sentence."""\nX = 1\n'}),
    (shape_rules.statements_have_names_and_reasons, {"gate/queries.sql": "SELECT 1"}),
    (shape_rules.statements_have_names_and_reasons, {"gate/queries.sql": "-- name: claim\nSELECT 1"}),
    (shape_rules.statements_have_names_and_reasons, {"gate/queries.sql": "-- name: Claim\n-- Why: x.\nSELECT 1"}),
    (shape_rules.statements_have_names_and_reasons, _queries("SELECT 1; SELECT 2")),
    (shape_rules.statements_have_names_and_reasons, _queries("SELEC 1")),
    (shape_rules.statements_have_names_and_reasons, {"gate/queries.sql": "+\n-- name: claim\n-- Why: x.\nSELECT 1"}),
    (shape_rules.every_statement_has_its_function, {"gate/queries.sql": "+\n-- name: more\n-- Why: x.\nSELECT 1"}),
    (shape_rules.every_statement_has_its_function, {"gate/store.py": "+\n\ndef more(tx): return SQL['more']\n"}),
    (
        shape_rules.every_statement_has_its_function,
        {
            "gate/queries.sql": "+\n-- name: more\n-- Why: x.\nSELECT 1",
            "gate/store.py": "SQL = {}\ndef both(tx):\n    tx.query(SQL['claim'])\n    tx.query(SQL['more'])\n",
        },
    ),
    (shape_rules.every_statement_has_its_function, {"gate/store.py": "+\n\ndef again(tx): return SQL['claim']\n"}),
    (shape_rules.nothing_of_one_machine_is_committed, {"/a.lock": f"--index-url https://mirror.example/{'simple'}"}),
    (shape_rules.nothing_of_one_machine_is_committed, {"/a.lock": "https://files.pythonhosted.org/x"}),
    (shape_rules.nothing_of_one_machine_is_committed, {"/docs/a.md": "see /home/ann/ledgersafe"}),
    (sql_rules.stages_write_their_own_schema, _queries("INSERT INTO bronze.batches VALUES (1)")),
    (sql_rules.stages_write_their_own_schema, _queries("WITH x AS (DELETE FROM jobs.jobs RETURNING 1) SELECT 1")),
    (sql_rules.stages_write_their_own_schema, _queries("UPDATE keys SET key = 'unqualified'")),
    (sql_rules.stages_write_their_own_schema, _queries("SELECT ledger.post(%(tenant_id)s)")),
    (sql_rules.stages_write_their_own_schema, {"pipeline/queries.sql": "DELETE FROM gate.events_processed"}),
    (sql_rules.stages_write_their_own_schema, _function("gate.post", "INSERT INTO ledger.entries VALUES (1);")),
    (sql_rules.insert_only_stays_insert_only, _queries("UPDATE ledger.entries SET amount = 0")),
    (sql_rules.insert_only_stays_insert_only, _queries("DELETE FROM bronze.events_raw_202601")),
    (sql_rules.insert_only_stays_insert_only, _queries("TRUNCATE audit.seals")),
    (
        sql_rules.insert_only_stays_insert_only,
        _queries("INSERT INTO silver.tenders VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1"),
    ),
    (
        sql_rules.insert_only_stays_insert_only,
        _queries("MERGE INTO audit.audit_log l USING gate.events_processed k ON l.a = k.a WHEN MATCHED THEN DELETE"),
    ),
    (sql_rules.insert_only_stays_insert_only, _function("bronze.clear", "DELETE FROM bronze.batches;")),
    (sql_rules.insert_only_stays_insert_only, _function("bronze.redact", "UPDATE bronze.events_raw SET body = '';")),
    (sql_rules.insert_only_stays_insert_only, _grant("GRANT UPDATE (a) ON ledger.entries TO ledgersafe_app;")),
    (
        sql_rules.insert_only_stays_insert_only,
        _grant("GRANT ALL ON gate.events_processed, audit.seals TO ledgersafe_app;"),
    ),
    (sql_rules.insert_only_stays_insert_only, _grant("GRANT SELECT ON ALL TABLES IN SCHEMA gate TO ledgersafe_app;")),
    (sql_rules.insert_only_stays_insert_only, _grant("ALTER DEFAULT PRIVILEGES GRANT UPDATE ON TABLES TO PUBLIC;")),
    (
        sql_rules.insert_only_stays_insert_only,
        _function("gate.give", "EXECUTE format('GRANT DELETE ON %I TO ledgersafe_app', 'x');"),
    ),
    (sql_rules.queries_take_the_time_as_a_value, _queries("SELECT now()")),
    (sql_rules.queries_take_the_time_as_a_value, _queries("SELECT current_date")),
    (sql_rules.queries_take_the_time_as_a_value, _queries("SELECT 'now'::timestamptz")),
    (sql_rules.queries_take_the_time_as_a_value, _queries("SELECT clock_timestamp()", "Why: released keys.")),
    (python_rules.sql_lives_in_sql_files, {"gate/rules.py": "X = 'SELECT a FROM b'"}),
    (python_rules.sql_lives_in_sql_files, {"gate/rules.py": "X = 'select a from b'"}),
    (python_rules.sql_lives_in_sql_files, {"gate/rules.py": "X = b'DELETE FROM a'"}),
    (python_rules.sql_lives_in_sql_files, {"gate/rules.py": "t = 1\nX = f'UPDATE {t} SET a = 1'"}),
    (python_rules.sql_lives_in_sql_files, {"gate/rules.py": "def f(tx, a, b): tx.execute(f'{a} {b}')"}),
    (python_rules.sql_lives_in_sql_files, {"gate/rules.py": "def f(tx, a): tx.execute(a + ' LIMIT 1')"}),
    (python_rules.clock_is_handed_in, {"gate/rules.py": "from datetime import datetime\nX = datetime.now()"}),
    (python_rules.clock_is_handed_in, {"gate/rules.py": "import datetime as d\nX = d.datetime.utcnow()"}),
    (python_rules.clock_is_handed_in, {"gate/rules.py": "from datetime import date\nX = date.today()"}),
    (python_rules.clock_is_handed_in, {"gate/rules.py": "from time import time\nX = time()"}),
    (python_rules.clock_is_handed_in, {"gate/rules.py": "import time\nX = time.time_ns()"}),
    (
        python_rules.settings_are_read_once,
        {"gate/rules.py": "from ledgersafe.settings import Settings\nX = Settings()"},
    ),
    (python_rules.settings_are_read_once, {"gate/rules.py": "from os import environ\nX = environ['URL']"}),
    (python_rules.settings_are_read_once, {"cli/status.py": "import os\nX = os.getenv('URL')"}),
    (python_rules.transactions_end_in_pipeline, {"gate/rules.py": "def f(tx): tx.commit()"}),
    (python_rules.transactions_end_in_pipeline, {"api/events.py": "def f(db):\n    with db.transaction(): pass"}),
    (python_rules.core_is_synchronous, {"console/page.py": "async def f(): ..."}),
    (python_rules.core_is_synchronous, {"console/pages/door.py": "async def f(): ..."}),
    (python_rules.only_cli_prints, {"gate/rules.py": "print('here')"}),
    (
        python_rules.no_yield_dependencies,
        {"api/events.py": "def tx():\n    yield 1\n\ndef get(t=Depends(tx)): ...", "api/more.py": ""},
    ),
    (
        python_rules.no_yield_dependencies,
        {"api/a.py": "async def tx():\n    yield 1\n", "pos/b.py": "T = Annotated[int, Depends(a.tx)]"},
    ),
    (python_rules.bugs_are_not_swallowed, {"gate/rules.py": "try:\n    X = 1\nexcept Exception:\n    pass"}),
    (python_rules.bugs_are_not_swallowed, {"gate/rules.py": "try:\n    X = 1\nexcept (KeyError, Exception):\n    ..."}),
    (python_rules.bugs_are_not_swallowed, {"gate/rules.py": "for x in ():\n try:\n  X = 1\n except:\n  continue"}),
    (python_rules.bugs_are_not_swallowed, {"gate/rules.py": "with contextlib.suppress(Exception): f()"}),
    (python_rules.reaches_by_http_only, {"simulator/a.py": "from ledgersafe.api import events"}),
    (python_rules.reaches_by_http_only, {"console/__init__.py": "import ledgersafe.db.database"}),
    (python_rules.reaches_by_http_only, {"console/pages/a.py": "from ledgersafe.bootstrap import open_database"}),
    (python_rules.reaches_by_http_only, {"simulator/a.py": "from ledgersafe.client.api import ApiClient"}),
    (python_rules.reaches_by_http_only, {"pos/__init__.py": "from ledgersafe import settings"}),
    (python_rules.one_table_of_reasons, {"gate/rules.py": "X = Reason('X', 202, 'US', 'x')"}),
    (python_rules.one_table_of_reasons, {"kernel/reasons.py": "+tooSmall = _reason('tooSmall')"}),
    (python_rules.one_table_of_reasons, {"kernel/reasons.py": "+SMALL = _reason('TOO_SMALL')"}),
    (python_rules.event_types_are_files, {"contracts/events/void.py": "EVENT_TYPE = EventType(name='CANCEL')"}),
    (python_rules.event_types_are_files, {"contracts/events/void.py": "X = 1"}),
    (python_rules.event_types_are_files, {"contracts/judge.py": "X = EventType(name='SALE')"}),
    (python_rules.nothing_is_long, {"gate/rules.py": "X = 1\n" * 501}),
    (python_rules.nothing_is_long, {"gate/rules.py": "def f():\n" + "    g()\n" * 80}),
]


@pytest.mark.parametrize(("rule", "plants"), PLANTED, ids=[f"{rule.__name__}" for rule, _ in PLANTED])
def test_a_planted_violation_is_caught(tmp_path: Path, rule: Rule, plants: dict[str, str]) -> None:
    bare = rule.__module__ != shape_rules.__name__  # only these look at a room as a whole
    findings = rule(make(tmp_path, plants, bare=bare))
    assert findings
    assert all(_FORM.fullmatch(finding) for finding in findings), findings
    planted = tuple((name[1:] if name.startswith("/") else f"src/ledgersafe/{name}") for name in plants)
    rooms = tuple(name.rsplit("/", 1)[0] for name in planted)
    assert all(finding.split(":")[0].startswith((*planted, *rooms)) for finding in findings), findings


PASSING: list[dict[str, str]] = [
    {"/README.md": f"see https://example.org/home/a and ~/{'work'}/x, or $HOME/{'work'}/y"},
    {"gate/rules.py": 'def f(clock):\n    """Select rows from it."""\n    return clock.now(), "Update the list."\n'},
    {"gate/rules.py": "import time\nX = time.monotonic() + time.perf_counter()\n"},
    {"gate/rules.py": "try:\n    X = 1\nexcept Exception:\n    raise ValueError from None\n"},
    {"api/app.py": "def lifespan(app):\n    yield\n"},
    _queries(
        "UPDATE gate.events_processed SET seen_at = %(at)s WHERE key LIKE 'a%%' AND seen_at < now()",
        "Why: a lease ends.",
    ),
    _queries("SELECT sum(amount) FROM ledger.entries WHERE tenant_id = %(tenant_id)s"),
    _grant("GRANT SELECT, INSERT ON ledger.entries, audit.seals TO ledgersafe_app;"),
    _grant("GRANT ALL ON ledger.entries TO ledgersafe_owner;"),
    _function(
        "bronze.redact_body", "UPDATE bronze.events_raw SET body = ''; UPDATE gate.k SET a = 1;", "SECURITY DEFINER"
    ),
    _function("gate.is_even", "RETURN;", "IMMUTABLE") | _queries("SELECT gate.is_even()"),
]


@pytest.mark.parametrize("plants", [{}, *PASSING])
def test_what_is_allowed_passes(tmp_path: Path, plants: dict[str, str]) -> None:
    tree = make(tmp_path, plants)
    is_repository = (tmp_path / ".git").exists()
    rules_of_it = [
        rule for rule in RULES if is_repository or rule is not shape_rules.nothing_of_one_machine_is_committed
    ]
    assert [finding for rule in rules_of_it for finding in rule(tree)] == []


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _ in PLANTED} == set(RULES)


def test_a_verb_s_function_needs_its_adr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.VERB_FUNCTIONS, "gate.post", "docs/adr/0099-post.md")
    planted = _function("gate.post", "INSERT INTO ledger.entries VALUES (1);")
    tree = make(tmp_path, planted)
    assert any("does not exist" in finding for finding in sql_rules.stages_write_their_own_schema(tree))
    make(tmp_path, {**planted, "/docs/adr/0099-post.md": "# Post in one function"})
    assert sql_rules.stages_write_their_own_schema(tree) == []
