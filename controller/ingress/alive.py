"""A proxy of ours that runs, and how it is found again.

The file of static configuration that it was started with lies in our own directory, and its name
says everything: which configuration, and where the API is. A controller that comes back, also one
that was killed right after it started a proxy, finds it by that: nothing needs to be remembered.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPTION = "--configFile="
_NAME = re.compile(r"static-([0-9a-f]+)-([0-9]+)\.yml")


@dataclass(frozen=True, slots=True)
class Alive:
    """id: of the process or the container. digest: of what it was started with."""

    id: str
    digest: str
    api_port: int


def file_name(digest: str, api_port: int) -> str:
    return f"static-{digest}-{api_port}.yml"


def started_with(id_: str, arguments: list[str], home: Path) -> Alive | None:
    """None: not one of ours."""
    for argument in arguments:
        path = Path(argument.removeprefix(OPTION))
        if argument.startswith(OPTION) and path.parent == home:
            name = _NAME.fullmatch(path.name)
            return Alive(id_, name[1], int(name[2])) if name else None
    return None


def write(home: Path, digest: str, api_port: int, static: Mapping[str, Any]) -> Path:
    """The file, readable for us alone. Blocking."""
    path = home / file_name(digest, api_port)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(static, opened, indent=1)
    return path


def sweep(home: Path, running: list[Alive]) -> None:
    """Removes the files that nothing was started with any more. Blocking."""
    used = {file_name(proxy.digest, proxy.api_port) for proxy in running}
    for path in home.glob("static-*.yml"):
        if path.name not in used:
            path.unlink(missing_ok=True)
