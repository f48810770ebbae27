"""Builds one document's tree from a flat series of calls.

Both readers (YAML and JSON) feed it, so both obey the same rules: keys are text and appear
once, nothing nests deeper than ``MAX_DEPTH``, nothing expands beyond ``MAX_DOCUMENT``. It keeps
its own stack, and a collection knows its expanded size as it closes: hostile nesting and
hostile aliases cost an error, never recursion or memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeAlias

from resources.document.node import MappingField, Mark, Node, Scalar, UnreadableText, describe

MAX_DEPTH = 64
"""Levels of nesting, aliases followed."""
MAX_DOCUMENT = 1 << 20
"""Characters of one document, both as written and with its aliases expanded."""

MAX_NODES = 50_000
"""Values of one document."""
MAX_NODES_OF_TEXT = 1_000_000
"""Values of one text, all its documents together: reading costs a few microseconds each."""

Report: TypeAlias = Callable[[Mark, str, str], None]
"""(where, message, suggestion): something is wrong; reading goes on."""


@dataclass(slots=True)
class Spent:
    """What the documents of one text have used together."""

    nodes: int = 0


class _Slot(NamedTuple):
    """What the next value is for: a field, a merge, or (neither) nothing after a bad key."""

    mark: Mark
    name: str | None = None
    merge: bool = False


@dataclass(slots=True)
class _Frame:
    """An open collection. slot: None where a mapping expects a key."""

    node: Node
    anchor: str | None = None
    slot: _Slot | None = None
    merges: list[Node] | None = None


class Builder:
    """``root`` is there at the end. Raises UnreadableText on what makes reading on pointless."""

    def __init__(self, report: Report, spent: Spent) -> None:
        self._report = report
        self._spent = spent
        self._last = spent.nodes + MAX_NODES
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self.root: Node | None = None

    def scalar(
        self, mark: Mark, value: Scalar, *, anchor: str | None = None, merge: bool = False
    ) -> None:
        """merge: it is a plain ``<<``, which as a key merges the value that follows."""
        self._count(mark)
        if isinstance(value, str) and not _storable(value):
            self._report(mark, "text may hold neither NUL nor half a surrogate pair", "")
        node = Node(mark, value, len(value) + 1 if isinstance(value, str) else 8)
        if anchor is not None:
            self._anchors[anchor] = node
        self._add(node, merge=merge)

    def alias(self, mark: Mark, name: str) -> None:
        if any(frame.anchor == name for frame in self._stack):
            raise UnreadableText(mark, "this alias is inside what it refers to")
        if name not in self._anchors:
            # Not quoted: it may be a password that begins with an asterisk.
            message = "this alias (what begins with *) refers to no anchor before it"
            raise UnreadableText(mark, message, "quote what must be text")
        self._add(self._anchors[name])

    def begin(self, mark: Mark, kind: type[Any], anchor: str | None = None) -> None:
        """kind: ``dict`` or ``list``."""
        self._count(mark)
        if len(self._stack) >= MAX_DEPTH:
            _too_deep(mark)
        self._stack.append(_Frame(Node(mark, kind()), anchor))

    def end(self) -> None:
        frame = self._stack.pop()
        node = frame.node
        if isinstance(node.value, dict):
            for other in frame.merges or ():
                _merge(node.value, other)
            children = [member.node for member in node.value.values()]
            own = 2 + sum(len(name) + 1 for name in node.value)
        else:
            assert isinstance(node.value, list)
            children, own = node.value, 2
        node.size = own + sum(child.size for child in children)
        node.height = 1 + max((child.height for child in children), default=0)
        if node.height + len(self._stack) > MAX_DEPTH:
            _too_deep(node.mark)
        if node.size > MAX_DOCUMENT:
            raise UnreadableText(node.mark, f"this expands to more than {MAX_DOCUMENT >> 10} KiB")
        if frame.anchor is not None:
            self._anchors[frame.anchor] = node
        self._add(node)

    def _count(self, mark: Mark) -> None:
        self._spent.nodes += 1
        if self._spent.nodes > self._last:
            raise UnreadableText(mark, f"the document has more than {MAX_NODES} values")
        if self._spent.nodes > MAX_NODES_OF_TEXT:
            raise UnreadableText(mark, f"the file has more than {MAX_NODES_OF_TEXT} values")

    # -- placing a finished node
    def _add(self, node: Node, *, merge: bool = False) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        fields = frame.node.value
        if isinstance(fields, list):
            fields.append(node)
            return
        assert isinstance(fields, dict)
        if frame.slot is None:
            frame.slot = self._key(frame, fields, node, merge)
            return
        slot, frame.slot = frame.slot, None
        if slot.merge:
            frame.merges = self._merged(node)
        elif slot.name is not None:
            fields[slot.name] = MappingField(slot.mark, node)

    def _key(
        self, frame: _Frame, fields: dict[str, MappingField], node: Node, merge: bool
    ) -> _Slot:
        if merge:
            if frame.merges is None:
                return _Slot(node.mark, merge=True)
            self._report(node.mark, "<< appears twice", "merge a list: <<: [*a, *b]")
        elif not isinstance(node.value, str):
            self._report(node.mark, f"a key must be text, not {describe(node.value)}", "quote it")
        elif (earlier := fields.get(node.value)) is not None:
            lines = f"lines {earlier.mark.line} and {node.mark.line}"
            self._report(node.mark, f"the key {node.value[:60]!r} appears twice: {lines}", "")
        else:
            return _Slot(node.mark, node.value)
        return _Slot(node.mark)

    def _merged(self, node: Node) -> list[Node]:
        others = node.value if isinstance(node.value, list) else [node]
        if all(isinstance(other.value, dict) for other in others):
            return others
        self._report(node.mark, "<< takes a mapping or a list of mappings", "")
        return []


def _storable(text: str) -> bool:
    """An escape can spell what PostgreSQL cannot hold."""
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _merge(fields: dict[str, MappingField], other: Node) -> None:
    """Its own fields win over merged ones, earlier merged ones over later."""
    assert isinstance(other.value, dict)
    for name, member in other.value.items():
        fields.setdefault(name, member)


def _too_deep(mark: Mark) -> NoReturn:
    raise UnreadableText(mark, f"nested deeper than {MAX_DEPTH} levels")
