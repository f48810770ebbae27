"""``--manifests [NAME=]DIR``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from resources.errors import UserError
from resources.spec import dns_label_problem, is_dns_label

INVALID = "CONFIGURATION_INVALID"


@dataclass(frozen=True, slots=True)
class Directory:
    """name: the source is ``manifest:NAME``. Rows belong to that name, wherever it lies."""

    name: str
    directory: Path


def directories(arguments: Iterable[str]) -> tuple[Directory, ...]:
    """Raises UserError CONFIGURATION_INVALID: a bad name, a name or a directory given twice."""
    found: list[Directory] = []
    for text in arguments:
        new = _directory(text)
        for other in found:
            if other.name == new.name:
                raise _invalid(
                    f"two manifest directories are named {new.name}: "
                    f"{other.directory} and {new.directory}",
                    f"give one another name: --manifests NAME={new.directory}",
                )
            if os.path.realpath(other.directory) == os.path.realpath(new.directory):
                raise _invalid(f"the manifest directory {new.directory} is given twice")
        found.append(new)
    return tuple(found)


def _directory(text: str) -> Directory:
    name, separator, path = text.partition("=")
    if not separator or "/" in name:
        path = text
        name = _derived(path)
    elif not is_dns_label(name):
        raise _invalid(f"the name in --manifests {text} {dns_label_problem(name)}")
    if not path:
        raise _invalid(f"--manifests {text} names no directory", "write --manifests [NAME=]DIR")
    return Directory(name, Path(path))


def _derived(path: str) -> str:
    """From the last part of the path, as it is written."""
    base = os.path.basename(os.path.abspath(path)).lower()
    label = re.sub(r"[^a-z0-9]+", "-", base)[:63].strip("-")
    return label or "manifests"


def _invalid(message: str, *suggestions: str) -> UserError:
    return UserError(INVALID, message, suggestions=suggestions)
