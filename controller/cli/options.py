"""Options and arguments that several commands share, and what they mean together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from controller.cli.complete import complete_organization, complete_reference, complete_service
from controller.cli.failure import Misuse
from resources.quantity import parse_duration

Org = Annotated[
    str | None,
    typer.Option(
        "--org",
        help="Organization [SKYCTL_ORG]; '': the platform's own.",
        autocompletion=complete_organization,
    ),
]
All = Annotated[bool, typer.Option("-A", "--all", help="Of all organizations.")]
Selector = Annotated[
    str | None, typer.Option("-l", "--selector", help="Labels: app=web,tier!=db,env in (a,b).")
]
Output = Annotated[str | None, typer.Option("-o", "--output", help="json, yaml, wide or name.")]
Timeout = Annotated[str, typer.Option("--timeout", help="How long to wait at most: 30s, 5m.")]
Files = Annotated[
    list[str], typer.Option("-f", "--filename", help="File, directory, or - for standard input.")
]
References = Annotated[
    list[str],
    typer.Argument(
        metavar="KIND[/NAME]...", help="KIND/NAME, or KIND NAME.", autocompletion=complete_reference
    ),
]
ServiceReference = Annotated[
    list[str],
    typer.Argument(metavar="service/NAME", help="service/NAME.", autocompletion=complete_service),
]

OutputFormat = Literal["table", "wide", "json", "yaml", "name"]


def output_format(given: str | None) -> OutputFormat:
    match given:
        case None | "":
            return "table"
        case "table" | "wide" | "json" | "yaml" | "name":
            return given
        case _:
            raise Misuse(f"cannot print as {given!r}", "-o json, yaml, wide or name")


def organization(given: str | None, every: bool = False) -> str | None:
    """--org beats SKYCTL_ORG, and so does -A. None: all, or the only one that fits. '' (said so):
    the platform's own."""
    if every and given is not None:
        raise Misuse("-A is of all organizations, --org of one", "leave one of them out")
    if every:
        return None
    if given is not None:
        return given
    return os.environ.get("SKYCTL_ORG") or None


def seconds(text: str) -> float:
    try:
        return float(parse_duration(text))
    except ValueError as error:
        raise Misuse(f"cannot read the duration {text!r}", "write it like 30s, 5m or 1h") from error


@dataclass(frozen=True, slots=True)
class Reference:
    """name None: all of the kind. kind as typed: the controller knows what it means."""

    kind: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


def references(words: Sequence[str]) -> list[Reference]:
    """``KIND``, ``KIND NAME...``, ``KIND/NAME...``, ``KIND,KIND``."""
    if not words:
        raise Misuse("nothing is named", "skyctl get services", "skyctl get service/NAME")
    if any("/" in word for word in words):
        return [_slashed(word) for word in words]
    first, *names = words
    if names:
        return [Reference(first, name) for name in names]
    return [Reference(kind) for kind in first.split(",") if kind]


def named(words: Sequence[str]) -> list[Reference]:
    """As ``references``, each with a name."""
    found = references(words)
    for reference in found:
        if reference.name is None:
            raise Misuse(f"{reference.kind!r} needs a name", f"write {reference.kind}/NAME")
    return found


def _slashed(word: str) -> Reference:
    kind, slash, name = word.partition("/")
    if not (kind and slash and name) or "/" in name:
        raise Misuse(f"cannot read {word!r}", "write KIND/NAME, for example service/web")
    return Reference(kind, name)


_SERVICE_WORDS = ("service", "services", "svc")


def service(words: Sequence[str]) -> Reference:
    """One service: ``service/NAME``, ``service NAME`` or just ``NAME``."""
    match list(words):
        case [kind, name] if kind.lower() in _SERVICE_WORDS and "/" not in name:
            return Reference("service", name)
        case [word] if "/" in word:
            return _slashed(word)
        case [name] if name.lower() not in _SERVICE_WORDS:
            return Reference("service", name)
        case _:
            raise Misuse("name one service", "write service/NAME")
