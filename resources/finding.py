"""One thing wrong with a document: where (a JSON pointer), what, and what was perhaps meant."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from resources.errors import UserError

INVALID = "CONFIGURATION_INVALID_SPEC"
MAX_FINDINGS = 20
_SHOWN = 80
_SECRETIVE = frozenset({"environment", "content", "data", "sealedData", "headers"})

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """path: from the document's root, ``("spec", "ports", 0)``. message: what is wrong.
    value: what was written, when it is short and no secret. suggestion: a replacement."""

    path: Path
    message: str
    value: Any = None
    suggestion: str | None = None

    @property
    def pointer(self) -> str:
        return pointer(self.path)

    @property
    def place(self) -> str:
        return place(self.path)

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"pointer": self.pointer, "message": self.message}
        if presentable(self.path, self.value):
            found["value"] = self.value
        if self.suggestion is not None:
            found["suggestion"] = self.suggestion
        return found


def pointer(path: Path) -> str:
    """RFC 6901."""
    return "".join(f"/{_token(part)}" for part in path)


def place(path: Path) -> str:
    """As people write it: ``spec.ports[0].protocol``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{shown(part)}"
    text = text.lstrip(".")
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}...{text[-_SHOWN:]}"


def refusal(findings: Sequence[Finding], explain: str = "") -> UserError:
    """The error that names the first finding and lists all (up to a limit). explain: what to ask
    ``skyctl explain`` for where nothing better is known."""
    first = findings[0]
    more = len(findings) - 1
    also = f" (and {more} more problem{'s' if more > 1 else ''})" if more else ""
    suggestions = [
        f"{finding.place}: write {finding.suggestion}"
        for finding in findings[:MAX_FINDINGS]
        if finding.suggestion is not None
    ]
    return UserError(
        INVALID,
        f"{first.place}: {first.message}{also}" if first.place else f"{first.message}{also}",
        details={"errors": [finding.to_dict() for finding in findings[:MAX_FINDINGS]]},
        suggestions=suggestions[:5] or _asking(explain),
    )


def _asking(explain: str) -> list[str]:
    return [f"see what it may be: skyctl explain {explain}"] if explain else []


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was perhaps meant; spelling in another case or style comes first."""
    candidates = list(known)
    folded = {_fold(candidate): candidate for candidate in reversed(candidates)}
    wanted = _fold(word[:_SHOWN])
    if wanted in folded:
        return folded[wanted]
    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def shown(text: str) -> str:
    """Short, printable and unmistakable: what is not ASCII is written as its escape."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    if cut.isascii() and cut.isprintable():
        return cut
    return ascii(cut)[1:-1]


def _fold(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _token(part: str | int) -> str:
    if isinstance(part, int):
        return str(part)
    text = part.encode("utf-8", "replace").decode()
    text = text if len(text) <= 256 else text[:256] + "..."
    return text.replace("\0", "\ufffd").replace("~", "~0").replace("/", "~1")


def presentable(path: Path, value: Any) -> bool:
    """Short, printable and writable as JSON (no infinity), and at no place where secrets stand."""
    if _SECRETIVE.intersection(part for part in path if isinstance(part, str)):
        return False
    if isinstance(value, str):
        return 0 < len(value) <= _SHOWN and value.isprintable()
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool) or (isinstance(value, int) and abs(value) < 1 << 53)
