"""A parsed text as a tree of values that know where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None


class Mark(NamedTuple):
    """A place in a text. Both 1-based, as editors count."""

    line: int
    column: int


class UnreadableText(Exception):
    """The text cannot be read any further."""

    def __init__(self, mark: Mark, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.mark, self.message, self.suggestion = mark, message, suggestion


class MappingField(NamedTuple):
    """One field of a mapping: where its key stands, and its value."""

    mark: Mark
    node: Node


@dataclass(slots=True)
class Node:
    """value: a scalar, ``dict[str, MappingField]`` or ``list[Node]``.

    size: characters when its aliases are expanded. height: levels of collections from here down.
    """

    mark: Mark
    value: Scalar | dict[str, MappingField] | list[Node]
    size: int = 1
    height: int = 0

    def member(self, name: str) -> Node | None:
        if isinstance(self.value, dict) and name in self.value:
            return self.value[name].node
        return None

    def plain(self) -> Any:
        """As dicts, lists and scalars. Fresh containers: what an alias shared is not shared."""
        match self.value:
            case dict():
                return {name: member.node.plain() for name, member in self.value.items()}
            case list():
                return [node.plain() for node in self.value]
            case scalar:
                return scalar

    def find(self, pointer: str) -> Mark:
        """Where a JSON pointer leads: to the key of a field, else to the nearest parent."""
        node, mark = self, self.mark
        for token in _tokens(pointer):
            match node.value:
                case dict() if token in node.value:
                    mark, node = node.value[token]
                case list() if token.isascii() and token.isdigit() and int(token) < len(node.value):
                    node = node.value[int(token)]
                    mark = node.mark
                case _:
                    break
        return mark


def _tokens(pointer: str) -> list[str]:
    parts = pointer.split("/")[1:] if pointer.startswith("/") else []
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def describe(value: object) -> str:
    """What kind of value it is, in words for people."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"a boolean ({str(value).lower()})"
        case int() | float():
            return f"a number ({value})"
        case str():
            return "text"
        case dict():
            return "a mapping"
        case _:
            return "a list"
