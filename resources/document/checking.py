"""What a document means, said with the lines of its file."""

from __future__ import annotations

from typing import Any

from resources.document.reading import Document
from resources.errors import UserError
from resources.validate import validate


def check(document: Document) -> UserError | None:
    """Why its spec is invalid, or None. ``details`` gains ``file`` and ``line``, and each of
    ``details.errors`` its ``line``."""
    try:
        validate(document.key.kind, document.manifest.spec)
    except UserError as error:
        return _located(document, error)
    return None


def _located(document: Document, error: UserError) -> UserError:
    errors = [
        {**item, "line": document.line_of(str(item["pointer"]))}
        for item in error.details.get("errors", ())
    ]
    line = errors[0]["line"] if errors else document.line
    details: dict[str, Any] = {**error.details, "file": document.file, "line": line}
    if errors:
        details["errors"] = errors
    return UserError(
        error.code,
        error.message,
        details=details,
        suggestions=error.suggestions,
        retryable=error.retryable,
    )
