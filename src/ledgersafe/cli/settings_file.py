"""Settings as files of YAML: read strictly, and written so that reading them gives the same."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import orjson
import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode

from ledgersafe.cli.client import CliError
from ledgersafe.cli.output import items_of, note, out, plain, print_json, table

NOTHING = "none"
"""What stands for no value on the command line."""


class _Strict(yaml.SafeLoader):
    """Refuses a name that is there twice in one object: which one counts cannot be known."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for name, _ in node.value:
            if (written := (name.tag, str(name.value))) in seen:
                raise ConstructorError(None, None, f"{name.value!r} is there twice", name.start_mark)
            seen.add(written)
        return super().construct_mapping(node, deep)


_Strict.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> Any:
    """What a YAML file holds, as JSON can say it. Raises CliError with the place."""
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Strict)  # noqa: S506
        orjson.dumps(found)
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"Cannot read {path}: {error}.") from None
    except (yaml.YAMLError, orjson.JSONEncodeError, RecursionError) as error:
        raise CliError(f"{path} is not YAML that can be used: {error}.") from None
    return found


def write(value: object) -> str:
    """A value as YAML."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


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
