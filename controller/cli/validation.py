"""What is wrong with files, found without a controller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.cli.files import Read, located
from resources.document import Document
from resources.errors import UserError
from resources.meta import Key
from resources.validate import validate_manifest


def problems_of(read: Read) -> list[UserError]:
    """Of texts, envelopes, specs, and of names declared twice; in the order of the files."""
    found = [*read.problems]
    for document in read.documents:
        try:
            validate_manifest(document.manifest)
        except UserError as error:
            found.append(located(document, error))
    found += _twice(read.documents)
    files = {name: number for number, name in enumerate(read.names)}
    return sorted(found, key=lambda error: _place(error, files))


def _place(error: UserError, files: Mapping[str, int]) -> tuple[int, int]:
    details = error.details
    return files.get(str(details.get("file")), len(files)), int(details.get("line") or 0)


def _twice(documents: Iterable[Document]) -> list[UserError]:
    seen: dict[Key, Document] = {}
    found = []
    for document in documents:
        first = seen.setdefault(document.key, document)
        if first is not document:
            found.append(
                UserError(
                    "RESOURCE_DECLARED_TWICE",
                    f"{document.key.short} is declared in {first.file}:{first.line} already",
                    details={"file": document.file, "line": document.line},
                    suggestions=["keep one of them"],
                )
            )
    return found
