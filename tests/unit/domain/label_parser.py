"""Labels read back as Traefik's parser does (``paerser``): dots divide a name, brackets number the
items of a list of maps, names differ in more than their case, a list of words is divided at
commas. What is expected says what is a list, as Traefik's types do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.value = ""
        self.children: list[Node] = []

    def at(self, name: str) -> Node:
        for child in self.children:
            if child.name.casefold() == name.casefold():
                return child
        self.children.append(Node(name))
        return self.children[-1]


def parse(labels: Mapping[str, str]) -> Node:
    """Raises ValueError where Traefik drops all of the container's labels."""
    root = Node("traefik")
    for name in sorted(labels):
        node = root
        first, *parts = name.split(".")
        if first != "traefik":
            raise ValueError(f"another root: {name}")
        for part in parts:
            if not part or part[0] == "[":
                raise ValueError(f"invalid element: {name}")
            bare, bracket, index = part.partition("[")
            numbered = part.endswith("]")
            node = node.at(bare).at(bracket + index) if numbered else node.at(part)
        node.value = labels[name]
    return root


def shaped(node: Node, like: Any) -> Any:
    """What Traefik makes of it where it expects something of that shape."""
    match like:
        case bool():
            return {"true": True, "false": False}[node.value.lower()]
        case int():
            return int(node.value)
        case str():
            assert not node.children, f"{node.name} has parts: {[c.name for c in node.children]}"
            return node.value
        case [{}, *_]:
            return [shaped(child, each) for child, each in zip(node.children, like, strict=True)]
        case list():
            return [word.strip() for word in node.value.split(",")]
        case {}:
            assert node.value in ("", "true")
            folded = {name.casefold(): name for name in like}
            return {
                folded.get(c.name.casefold(), c.name): shaped(
                    c, like.get(folded.get(c.name.casefold(), ""), "")
                )
                for c in node.children
            }
    raise TypeError(like)
