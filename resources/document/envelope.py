"""The envelope of a manifest: who it is about. What its spec means is ``resources.validate``'s.

A document whose envelope is right can be applied even when its spec is wrong: the row then says
so in its status. A document whose envelope is wrong is only a problem of its file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from resources import metadata as rules
from resources.document.node import Mark, Node, describe
from resources.errors import UserError
from resources.finding import Finding, Path, nearest, shown
from resources.meta import API_VERSION, Key, Manifest
from resources.spec import MAX_SPEC_BYTES, is_dns_label
from resources.validate import LATER

INVALID = "CONFIGURATION_INVALID_MANIFEST"

FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")
METADATA = ("name", "organization", "labels", "annotations")
ADDED_BY_STORE = (
    "uid", "generation", "createdAt", "updatedAt", "deletionRequestedAt", "source", "owner",
    "createdBy", "finalizers",
)  # fmt: skip
"""Ignored on input, so that what ``get -o yaml`` prints can be applied."""

_OTHER_WORDS = {"namespace": "organization", "tenant": "organization", "apiversion": "apiVersion"}
_MAX_STRANGERS = 10
"""Unknown fields named per mapping; the rest would tell nobody more."""


def problem(mark: Mark, file: str, message: str, suggestion: str = "") -> UserError:
    """One thing that is wrong with a file. A place of line 0 is none."""
    details: dict[str, Any] = {}
    if file:
        details["file"] = file
    if mark.line:
        details |= {"line": mark.line, "column": mark.column}
    return UserError(
        INVALID, message, details=details, suggestions=[suggestion] if suggestion else []
    )


def located(finding: Finding, root: Node, file: str) -> UserError:
    """A finding about a document, with its place in the file."""
    place = finding.place
    message = f"{place}: {finding.message}" if place else finding.message
    suggestion = f"write {finding.suggestion}" if finding.suggestion is not None else ""
    return problem(root.find(finding.pointer), file, message, suggestion)


class Envelope:
    """One document's envelope, read. manifest: None when something is wrong with it.

    kinds: name -> whether it belongs to an organization (None: it may).
    """

    def __init__(self, root: Node, kinds: Mapping[str, bool | None]) -> None:
        self._root, self._kinds = root, kinds
        self.findings: list[Finding] = []
        self.manifest = self._read()

    def _read(self) -> Manifest | None:
        if not isinstance(self._root.value, dict):
            self._wrong((), f"a manifest is a map, not {describe(self._root.value)}")
            return None
        self._unknown(self._root, (), FIELDS, ())
        self._api_version()
        kind = self._kind()
        key, labels, given = self._metadata(kind)
        spec = self._spec()
        if self.findings or key is None:
            return None
        annotations = {name: text for name, text in given.items() if text is not None}
        removed = frozenset(given.keys() - annotations.keys())
        return Manifest(key, spec, labels, annotations, removed=removed)

    def _api_version(self) -> None:
        given = self._plain("apiVersion")
        if given is None:
            self._wrong(("apiVersion",), "is required", API_VERSION)
        elif given != API_VERSION:
            self._wrong(("apiVersion",), f"must be {API_VERSION}", API_VERSION)

    def _kind(self) -> str | None:
        word = self._plain("kind")
        if isinstance(word, str) and word in self._kinds:
            return word
        if word is None:
            self._wrong(("kind",), f"is required: one of {', '.join(self._kinds)}")
        elif not isinstance(word, str):
            self._wrong(("kind",), f"must be text, not {describe(word)}")
        elif word in LATER:
            self._wrong(("kind",), f"{word} is not available in this version yet")
        else:
            meant = nearest(word, (*self._kinds, *LATER))
            hint = f": did you mean {meant}?" if meant else f": one of {', '.join(self._kinds)}"
            self._wrong(("kind",), f"there is no kind {shown(word)}{hint}", meant)
        return None

    def _metadata(
        self, kind: str | None
    ) -> tuple[Key | None, dict[str, str], dict[str, str | None]]:
        node = self._root.member("metadata")
        if node is None or not isinstance(node.value, dict):
            found = describe(node.value) if node is not None else "nothing"
            self._wrong(("metadata",), f"must be a map with a name, not {found}")
            return None, {}, {}
        self._unknown(node, ("metadata",), METADATA, ADDED_BY_STORE)
        given: dict[str, Any] = node.plain()
        name, organization = given.get("name"), given.get("organization")
        labels, annotations = given.get("labels") or {}, given.get("annotations") or {}
        self.findings += rules.inspect_name(name)
        self.findings += rules.inspect_labels(labels)
        self.findings += rules.inspect_annotations(annotations)
        if kind is None:
            return None, {}, {}
        self.findings += rules.inspect_organization(kind, self._kinds[kind], organization)
        return Key(kind, organization or "", str(name)), labels, annotations

    def _spec(self) -> dict[str, Any]:
        node = self._root.member("spec")
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self._wrong(("spec",), f"must be a map of fields, not {describe(node.value)}")
            return {}
        spec: dict[str, Any] = node.plain()
        if node.size * 4 > MAX_SPEC_BYTES and _bytes(spec) > MAX_SPEC_BYTES:
            self._wrong(("spec",), f"is larger than {MAX_SPEC_BYTES >> 10} KiB")
        return spec

    def _plain(self, name: str) -> Any:
        node = self._root.member(name)
        return None if node is None else node.plain()

    def _unknown(self, node: Node, where: Path, known: Iterable[str], fine: Iterable[str]) -> None:
        assert isinstance(node.value, dict)
        strangers = [name for name in node.value if name not in (*known, *fine)]
        for name in strangers[:_MAX_STRANGERS]:
            meant = _OTHER_WORDS.get(name.lower(), "")
            meant = meant if meant in known else nearest(name, known) or ""
            hint = f"did you mean '{meant}'?" if meant else f"known are {', '.join(known)}"
            self._wrong((*where, name), f"unknown field: {hint}", meant or None)

    def _wrong(self, path: Path, message: str, suggestion: str | None = None) -> None:
        self.findings.append(Finding(path, message, None, suggestion))


def claimed_name(root: Node) -> str | None:
    """The name that a document is about, as far as it can be told although it is wrong."""
    metadata = root.member("metadata")
    name = metadata.member("name") if metadata is not None else None
    if name is None or not isinstance(name.value, str) or not is_dns_label(name.value):
        return None
    return name.value


def _bytes(spec: Mapping[str, Any]) -> int:
    return len(json.dumps(spec, ensure_ascii=False, separators=(",", ":")).encode())
