"""As much of Markdown as the documentation's own tests need: fenced blocks, links, headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<kind>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language and its text."""

    kind: str
    text: str


def blocks(text: str) -> list[Block]:
    """Every fenced block, in order."""
    return [Block(match["kind"], match["text"]) for match in _FENCE.finditer(text)]


def commands(block: Block) -> str:
    """What a reader would type of a block: all of a `sh` block, or what follows `$ ` at the beginning of a line."""
    if block.kind == "sh":
        return block.text
    return "".join(f"{line[2:]}\n" for line in block.text.splitlines() if line.startswith("$ "))


def links(text: str) -> Iterator[str]:
    """The targets of links outside of fenced blocks."""
    yield from (match["target"] for match in _LINK.finditer(_FENCE.sub("", text)))


def anchors(path: Path) -> set[str]:
    """The fragments that a page has, made of its headings as forges make them."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    return {_anchor(match["title"]) for match in _HEADING.finditer(text)}


def _anchor(title: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", title.replace("`", "").lower())
    return kept.replace(" ", "-")
