"""YAML as JSON would have it: what people write by hand is read strictly, and dates stay text."""

from collections.abc import Hashable
from typing import Any, cast

import orjson
import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode


class NotYamlError(ValueError):
    """A text that cannot be used; the message says what is wrong, and on which line."""


class _Strict(yaml.SafeLoader):
    """Refuses a name that stands twice in one object, and aliases, which can blow up a small text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):  # pyright: ignore[reportUnknownMemberType]
            mark = cast("yaml.Mark", self.peek_event().start_mark)  # pyright: ignore[reportUnknownMemberType]
            raise ConstructorError(None, None, "aliases (*name) are not taken", mark)
        return super().compose_node(parent, index)

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


def read_yaml(text: str) -> Any:
    """What a text of YAML (or JSON, which is YAML) says, as JSON can say it. Raises NotYamlError."""
    try:
        found = yaml.load(text, _Strict)  # noqa: S506 - it is a SafeLoader, with less
        orjson.dumps(found, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except (yaml.YAMLError, orjson.JSONEncodeError, RecursionError, ValueError, LookupError) as error:
        raise NotYamlError(" ".join(str(error).split())) from None
    return found


def write_yaml(value: object) -> str:
    """A value as people would write it."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
