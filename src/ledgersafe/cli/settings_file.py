"""Settings as files of YAML: read strictly, and written so that reading them gives the same."""

from pathlib import Path
from typing import Any

import orjson

from ledgersafe.cli.client import CliError
from ledgersafe.cli.output import items_of, note, out, plain, print_json, table
from ledgersafe.kernel.strict_yaml import NotYamlError, read_yaml

NOTHING = "none"
"""What stands for no value on the command line."""


def read(path: Path) -> Any:
    """What a YAML file holds, as JSON can say it. Raises CliError with the place."""
    try:
        return read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"Cannot read {path}: {error}.") from None
    except NotYamlError as error:
        raise CliError(f"{path} is not YAML that can be used: {error}.") from None


def given(**options: object) -> dict[str, Any]:
    """The options that were given; "none" takes a value away."""
    return {name: None if value == NOTHING else value for name, value in options.items() if value is not None}


def show_changes(answer: dict[str, Any], columns: tuple[str, ...], *, as_json: bool) -> None:
    """What an import changed, or would."""
    if as_json:
        print_json(answer)
        return
    changes = items_of(answer["changes"])
    if changes:
        cells = [[_short(change[name]) for name in (*columns, "before", "after")] for change in changes]
        out().print(table("Changes", (*columns, "before", "after"), cells))
    else:
        out().print(plain("Nothing changes: all of it is set already."))
    if answer["dry_run"]:
        note("This was a dry run: nothing was changed.")


def _short(value: object) -> object:
    return orjson.dumps(value).decode() if isinstance(value, dict) else value
