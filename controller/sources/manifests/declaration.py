"""What the files of one reading declare together. Pure.

A key may be declared once. Absence is claimed carefully: a file that has problems shields, that
is, keeps from being deleted,

- what it declared when it was last sound,
- the names that its faulty documents, or (where not all names can be told) its text, mention,
- everything, if not all names can be told and it was never seen sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from resources.document import Document, Parsed, check
from resources.errors import UserError
from resources.meta import Key, Manifest

DECLARED_TWICE = "RESOURCE_DECLARED_TWICE"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a source. file and line are in ``error.details`` where they are known."""

    error: UserError
    key: Key | None = None

    @property
    def file(self) -> str | None:
        file = self.error.details.get("file")
        return None if file is None else str(file)

    @property
    def line(self) -> int | None:
        line = self.error.details.get("line")
        return line if isinstance(line, int) else None

    @property
    def place(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line) if part is not None)


@dataclass(frozen=True, slots=True)
class Declared:
    manifest: Manifest
    file: str
    line: int

    @property
    def key(self) -> Key:
        return self.manifest.key

    def located(self, error: UserError) -> Problem:
        """An error about this document, with its place."""
        details = {"file": self.file, "line": self.line, **error.details}
        return Problem(
            UserError(
                error.code,
                error.message,
                details=details,
                suggestions=error.suggestions,
                retryable=error.retryable,
            ),
            self.key,
        )


@dataclass(frozen=True, slots=True)
class FileReading:
    """One file, understood. doubts: specs that do not validate; they are applied all the same,
    so that the row's status says so too. words: of a file whose names cannot all be told; None
    there means that even its bytes are unknown."""

    declared: tuple[Declared, ...] = ()
    problems: tuple[UserError, ...] = ()
    doubts: tuple[Problem, ...] = ()
    faulty: frozenset[str] = frozenset()
    opaque: bool = False
    words: frozenset[bytes] | None = None

    @property
    def sound(self) -> bool:
        return not self.problems

    @property
    def keys(self) -> frozenset[Key]:
        return frozenset(declared.key for declared in self.declared)

    def shields(self, key: Key, before: frozenset[Key] | None) -> bool:
        """before: what it declared when it was last sound, None if it never was."""
        if self.sound:
            return False
        if key.name in self.faulty or (before is not None and key in before):
            return True
        if not self.opaque:
            return False
        return before is None or self.words is None or key.name.encode() in self.words

    @classmethod
    def of(cls, parsed: Parsed, content: bytes) -> FileReading:
        return cls(
            tuple(Declared(d.manifest, d.file, d.line) for d in parsed.documents),
            parsed.problems,
            tuple(_doubts(parsed.documents)),
            parsed.faulty,
            parsed.opaque,
            _words(content) if parsed.opaque else None,
        )

    @classmethod
    def unreadable(cls, error: UserError) -> FileReading:
        return cls(problems=(error,), opaque=True)


def _words(content: bytes) -> frozenset[bytes]:
    """Everything in it that could be a name."""
    return frozenset(word.strip(b"-") for word in re.findall(rb"[-a-z0-9]+", content))


def _doubts(documents: Iterable[Document]) -> Iterable[Problem]:
    for document in documents:
        if (error := check(document)) is not None:
            yield Problem(error, document.key)


@dataclass(frozen=True, slots=True)
class DeclaredSet:
    """wanted: declared once. contested: declared more often; nothing is done to these. problems:
    of directories, files and documents."""

    wanted: Mapping[Key, Declared]
    contested: Mapping[Key, tuple[Declared, ...]]
    problems: tuple[Problem, ...]
    files: Mapping[str, FileReading]
    memory: Mapping[str, frozenset[Key]] = field(default_factory=dict)
    whole: bool = True

    def declares(self, key: Key) -> bool:
        return key in self.wanted or key in self.contested

    def absent(self, key: Key) -> bool:
        """Is it certain that no file declares it?"""
        return (
            self.whole
            and not self.declares(key)
            and not any(
                reading.shields(key, self.memory.get(path))
                for path, reading in self.files.items()
                if not reading.sound
            )
        )

    def remembered(self) -> dict[str, frozenset[Key]]:
        """The memory for the next reading."""
        kept = {path: keys for path, keys in self.memory.items() if path in self.files}
        return kept | {path: r.keys for path, r in self.files.items() if r.sound}


def declare(
    files: Mapping[str, FileReading],
    memory: Mapping[str, frozenset[Key]],
    troubles: Iterable[UserError] = (),
) -> DeclaredSet:
    """troubles: of directories; with any, nothing is certainly absent."""
    by_key: dict[Key, list[Declared]] = {}
    for reading in files.values():
        for declared in reading.declared:
            by_key.setdefault(declared.key, []).append(declared)
    contested = {key: tuple(found) for key, found in by_key.items() if len(found) > 1}
    troubles = tuple(troubles)
    problems = [Problem(error) for error in troubles]
    for reading in files.values():
        problems += [Problem(error) for error in reading.problems]
        problems += reading.doubts
    problems += [_twice(found) for found in contested.values()]
    return DeclaredSet(
        {key: found[0] for key, found in by_key.items() if len(found) == 1},
        contested,
        tuple(problems),
        files,
        memory,
        whole=not troubles,
    )


def _twice(found: tuple[Declared, ...]) -> Problem:
    key = found[0].key
    places = [f"{declared.file}:{declared.line}" for declared in found]
    of = f" of {key.organization}" if key.organization else ""
    error = UserError(
        DECLARED_TWICE,
        f"{key.short}{of} is declared {_times(len(places))}: {' and '.join(places)}; "
        "none of them is applied",
        details={
            "file": found[0].file,
            "line": found[0].line,
            "places": [{"file": d.file, "line": d.line} for d in found],
        },
        suggestions=["remove all but one of them"],
    )
    return Problem(error, key)


def _times(number: int) -> str:
    return "twice" if number == 2 else f"{number} times"
