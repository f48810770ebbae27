"""One thing that was looked at, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """state: ok; note (for information); warning (works, not as it should); problem (a controller
    cannot work like this). suggestions: what to do, most likely first."""

    name: str
    state: State
    message: str
    suggestions: tuple[str, ...] = ()


def ok(name: str, message: str) -> Check:
    return Check(name, "ok", message)


def note(name: str, message: str, *suggestions: str) -> Check:
    return Check(name, "note", message, suggestions)


def warning(name: str, message: str, *suggestions: str) -> Check:
    return Check(name, "warning", message, suggestions)


def problem(name: str, message: str, *suggestions: str) -> Check:
    return Check(name, "problem", message, suggestions)
