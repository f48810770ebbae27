"""Manifests from files, directories and standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.cli.failure import Misuse
from resources.document import Document, parse
from resources.errors import UserError

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True, slots=True)
class Read:
    """documents: in the order of the files. problems: with file and line in their details.
    names: of the files that were read."""

    documents: tuple[Document, ...]
    problems: tuple[UserError, ...]
    names: tuple[str, ...]

    @property
    def files(self) -> int:
        return len(self.names)


def read_documents(places: Sequence[str]) -> Read:
    """Directories are read with all that is in them. Raises Misuse for what is not there."""
    documents: list[Document] = []
    problems: list[UserError] = []
    names: list[str] = []
    for name, content in _contents(places):
        parsed = parse(content, name)
        documents += parsed.documents
        problems += parsed.problems
        names.append(name)
    return Read(tuple(documents), tuple(problems), tuple(names))


def _contents(places: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if not places:
        raise Misuse("no file is given", "-f FILE, -f DIRECTORY, or -f - for standard input")
    for place in places:
        if place == "-":
            yield "<stdin>", sys.stdin.buffer.read()
            continue
        path = Path(place)
        if path.is_dir():
            found = sorted(_manifests(path))
            if not found:
                raise Misuse(f"{place} holds no .yaml, .yml or .json file")
            for file in found:
                yield str(file), _content(file)
        else:
            yield place, _content(path)


def _manifests(directory: Path) -> Iterator[Path]:
    """Hidden files and directories are not manifests."""
    for path in directory.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(directory).parts)
        if path.suffix.lower() in _SUFFIXES and not hidden and path.is_file():
            yield path


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Misuse(f"there is no file {path}") from error
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from error


def place_of(error: UserError) -> str:
    """``file:line:column: `` as far as it is known, for editors and people."""
    details = error.details
    parts = [str(details[name]) for name in ("file", "line", "column") if details.get(name)]
    return ":".join(parts) + ": " if parts else ""


def located(document: Document, error: UserError) -> UserError:
    """An error about a document, with the file and the lines that its pointers mean."""
    errors = error.details.get("errors") or ()
    lines = [
        {**item, "line": document.line_of(str(item.get("pointer", "")))}
        for item in errors
        if isinstance(item, dict)
    ]
    lines.sort(key=lambda item: item["line"])
    line = lines[0]["line"] if lines else document.line
    details = {**error.details, "file": document.file, "line": line}
    if lines:
        details["errors"] = lines
    return UserError(
        error.code,
        error.message,
        details=details,
        suggestions=error.suggestions,
        retryable=error.retryable,
    )


def problem_lines(error: UserError) -> list[str]:
    """One ``file:line: what`` per thing that is wrong, each with what was perhaps meant."""
    errors = [e for e in error.details.get("errors") or () if isinstance(e, dict)]
    if not errors:
        pointer = error.details.get("pointer")
        where = f"{pointer}: " if pointer else ""
        return [f"{place_of(error)}{where}{error.message}", *_tries(error.suggestions)]
    file = error.details.get("file", "")
    lines = []
    for item in errors:
        line = item.get("line") or error.details.get("line")
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        lines.append(f"{place}{item.get('pointer', '')}: {item.get('message', '')}")
    return [*lines, *_tries(error.suggestions)]


def _tries(suggestions: Sequence[str]) -> list[str]:
    return [f"  try: {suggestion}" for suggestion in suggestions]
