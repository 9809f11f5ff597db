"""The house rules: each is a function check(tree) → findings, "path:line: what is wrong; fix: …".

`tree` is the folder of the package; its repository is two folders up. To add a rule, write it beside its like, put it
on the list below, and plant a violation of it in test_rules.py (a test refuses a rule without one).
"""

from collections.abc import Callable
from pathlib import Path

from . import python_rules, shape_rules, sql_rules
from .sql_rules import APPEND_ONLY, VERB_FUNCTIONS

__all__ = ["APPEND_ONLY", "RULES", "VERB_FUNCTIONS", "Rule"]

Rule = Callable[[Path], list[str]]

RULES: tuple[Rule, ...] = (
    shape_rules.packages_are_on_the_map,
    shape_rules.stages_have_one_shape,
    shape_rules.statements_have_names_and_reasons,
    shape_rules.every_statement_has_its_function,
    shape_rules.nothing_of_one_machine_is_committed,
    sql_rules.stages_write_their_own_schema,
    sql_rules.insert_only_stays_insert_only,
    sql_rules.queries_take_the_time_as_a_value,
    python_rules.sql_lives_in_sql_files,
    python_rules.clock_is_handed_in,
    python_rules.settings_are_read_once,
    python_rules.transactions_end_in_pipeline,
    python_rules.core_is_synchronous,
    python_rules.only_cli_prints,
    python_rules.no_yield_dependencies,
    python_rules.bugs_are_not_swallowed,
    python_rules.reaches_by_http_only,
    python_rules.one_table_of_reasons,
    python_rules.event_types_are_files,
    python_rules.nothing_is_long,
)
