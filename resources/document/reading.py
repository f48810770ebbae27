"""Text in, documents and problems out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.document.builder import Builder, Report, Spent
from resources.document.envelope import Envelope, claimed_name, located, problem
from resources.document.json_text import read_json
from resources.document.node import Mark, Node, UnreadableText, describe
from resources.document.yaml_text import read_yaml
from resources.errors import UserError
from resources.finding import refusal
from resources.meta import Key, Manifest
from resources.registry import kinds as registered
from resources.validate import kind_named

MAX_TEXT = 8 << 20
"""Characters of one file, all its documents together."""
MAX_PROBLEMS = 50
"""Problems told of one file; further ones are counted."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Document:
    """A manifest and where it stands. line: 1-based, of its first field. raw: as written."""

    manifest: Manifest
    raw: Mapping[str, Any]
    file: str
    line: int
    root: Node = field(repr=False, compare=False)

    @property
    def key(self) -> Key:
        return self.manifest.key

    def line_of(self, pointer: str) -> int:
        """Line of what a JSON pointer into the document means, else of its nearest parent."""
        return self.root.find(pointer).line


@dataclass(frozen=True)
class Parsed:
    """problems: UserErrors with ``details {file, line, column}``.

    faulty: names of resources in documents that have problems. opaque: not even the names can
    all be told, so what is missing here may be declared here all the same.
    """

    documents: tuple[Document, ...] = ()
    problems: tuple[UserError, ...] = ()
    faulty: frozenset[str] = frozenset()
    opaque: bool = False


def parse(text: str | bytes, file: str, kinds: Mapping[str, bool | None] | None = None) -> Parsed:
    """Reads YAML (several documents) or JSON. A name ending in ``.json`` is JSON, any other is
    JSON if it reads as such. Never raises for what the text holds.

    kinds: name -> whether it belongs to an organization; None: those of the registry.
    """
    return _Reading(file, _registered() if kinds is None else kinds).of(text)


def interpret(raw: Any) -> Manifest:
    """The same checks for a document that came as JSON values (HTTP). Raises UserError with
    ``details.errors`` [{pointer, message, ...}]."""

    def refuse(mark: Mark, message: str, suggestion: str) -> None:
        raise UnreadableText(mark, message, suggestion)

    if isinstance(raw, dict) and "kind" in raw:
        kind_named(raw["kind"])
    try:
        root = _tree(raw, refuse)
    except UnreadableText as error:
        raise problem(error.mark, "", error.message, error.suggestion) from error
    envelope = Envelope(root, _registered())
    if envelope.manifest is None:
        raise refusal(envelope.findings)
    return envelope.manifest


def _registered() -> Mapping[str, bool | None]:
    return {name: kind.belongs for name, kind in registered().items()}


class _Reading:
    def __init__(self, file: str, kinds: Mapping[str, bool | None]) -> None:
        self.file, self.kinds = file, kinds
        self.problems: list[UserError] = []
        self._documents: list[Document] = []
        self._faulty: set[str] = set()
        self._opaque = False

    def report(self, mark: Mark, message: str, suggestion: str) -> None:
        self.problems.append(problem(mark, self.file, message, suggestion))

    def of(self, source: str | bytes) -> Parsed:
        before = 0
        try:
            for root in self._roots(_text(source)):
                self._take(root, sound=len(self.problems) == before)
                before = len(self.problems)
        except UnreadableText as error:
            self.report(error.mark, error.message, error.suggestion)
            self._opaque = True
        told = self.problems[:MAX_PROBLEMS]
        if more := len(self.problems) - len(told):
            told.append(problem(Mark(0, 0), self.file, f"and {more} more problems"))
        return Parsed(tuple(self._documents), tuple(told), frozenset(self._faulty), self._opaque)

    def _roots(self, text: str) -> Iterator[Node]:
        if self.file.lower().endswith(".json") or _is_json(text):
            return read_json(text, self.report)
        return read_yaml(text, self.report)

    def _take(self, root: Node, *, sound: bool) -> None:
        kind = root.member("kind")
        if kind is not None and kind.value == "List" and (items := root.member("items")):
            if isinstance(items.value, list):
                for item in items.value:
                    self._document(item, sound)
                return
            self.report(items.mark, f"items is a list, not {describe(items.value)}", "")
        elif root.value is None and sound:
            return
        self._document(root, sound)

    def _document(self, root: Node, sound: bool) -> None:
        envelope = Envelope(root, self.kinds)
        manifest = envelope.manifest
        self.problems += [located(finding, root, self.file) for finding in envelope.findings]
        if manifest is not None and sound:
            raw = root.plain()
            self._documents.append(Document(manifest, raw, self.file, _line(root), root))
        elif (name := claimed_name(root)) is not None:
            self._faulty.add(name)
        else:
            self._opaque = True


def _is_json(text: str) -> bool:
    """JSON is YAML but for tabs and surrogate pairs: what reads as JSON is read as JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        for _ in read_json(text, lambda _mark, _message, _suggestion: None):
            pass
    except UnreadableText:
        return False
    return True


def _line(root: Node) -> int:
    if isinstance(root.value, dict) and root.value:
        return min(member.mark.line for member in root.value.values())
    return root.mark.line


def _text(source: str | bytes) -> str:
    """Raises UnreadableText."""
    text = _decoded(source) if isinstance(source, bytes) else source
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_TEXT:
        raise UnreadableText(Mark(1, 1), f"the file is larger than {MAX_TEXT >> 20} MiB")
    if (found := _FORBIDDEN.search(text)) is not None:
        mark = _place(text, found.start())
        raise UnreadableText(mark, f"the character U+{ord(found[0]):04X} is not allowed")
    return text


def _decoded(source: bytes) -> str:
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError as error:
        wide = source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        mark = Mark(source.count(b"\n", 0, error.start) + 1, 1)
        message = "the file is UTF-16, not UTF-8" if wide else "the file is not UTF-8"
        raise UnreadableText(mark, message, "save it as UTF-8") from None


def _place(text: str, at: int) -> Mark:
    return Mark(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _tree(raw: Any, report: Report) -> Node:
    """Values as a tree, through the builder's limits. All of it stands nowhere (line 0)."""
    builder, nowhere = Builder(report, Spent()), Mark(0, 0)
    pending: list[tuple[str, Any]] = [("value", raw)]
    while pending:
        action, value = pending.pop()
        if action == "end":
            builder.end()
        elif isinstance(value, (dict, list)):
            builder.begin(nowhere, type(value))
            pending.append(("end", None))
            if isinstance(value, dict):
                for name in reversed(value):
                    pending += [("value", value[name]), ("value", name)]
            else:
                pending += [("value", item) for item in reversed(value)]
        else:
            builder.scalar(nowhere, value)
    assert builder.root is not None
    return builder.root
