"""Manifests read once, for the command line: a file, or a directory by a source's rules."""

from __future__ import annotations

from pathlib import Path

from controller.sources.manifests.directory import Tree, read_file, read_tree
from resources.document import Document, Parsed, parse
from resources.errors import UserError


def load(path: Path) -> Parsed:
    """Blocking. All documents in the order of their files; everything wrong with files and
    documents in ``problems``. Specs are not checked (``resources.document.check`` does that), and
    nobody minds a resource declared twice."""
    tree = read_tree(path) if path.is_dir() else Tree({"": read_file(str(path))})
    documents: list[Document] = []
    problems: list[UserError] = list(tree.problems)
    faulty: frozenset[str] = frozenset()
    opaque = False
    for name, content in tree.files.items():
        if isinstance(content, UserError):
            problems.append(content)
            continue
        parsed = parse(content, str(path / name) if name else str(path))
        documents += parsed.documents
        problems += parsed.problems
        faulty |= parsed.faulty
        opaque |= parsed.opaque
    return Parsed(tuple(documents), tuple(problems), faulty, opaque)
