"""A proxy of ours that runs, and how it is found again.

The file of static configuration that it was started with lies in a directory of ours, and its name
says everything: whose, which configuration, and where the API is. A controller that comes back,
also one that was killed right after it started a proxy, finds it by that: nothing needs to be
remembered. So does another controller of the same instance, whose directory is another one.
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
_NAME = re.compile(r"static-(?:([0-9A-Za-z-]+)-)?([0-9a-f]+)-([0-9]+)\.yml")
"""Without an instance: of a release that did not write it."""


@dataclass(frozen=True, slots=True)
class Alive:
    """id: of the process or the container. digest: of what it was started with. home: where its
    configuration, routes and certificates lie."""

    id: str
    digest: str
    api_port: int
    home: Path = Path()


@dataclass(frozen=True, slots=True)
class Ours:
    """By what ours are known: they lie in our own directory, or carry the id of our instance.
    instance: '' for those of the directory alone."""

    home: Path
    instance: str = ""

    def file_name(self, digest: str, api_port: int) -> str:
        return "-".join(filter(None, ("static", self.instance, digest, str(api_port)))) + ".yml"

    def started_with(self, id_: str, arguments: list[str]) -> Alive | None:
        """None: not one of ours."""
        for argument in arguments:
            path = Path(argument.removeprefix(OPTION))
            name = _NAME.fullmatch(path.name)
            if argument.startswith(OPTION) and name and self._claims(path.parent, name[1]):
                return Alive(id_, name[2], int(name[3]), path.parent)
        return None

    def _claims(self, home: Path, instance: str | None) -> bool:
        return home == self.home or bool(self.instance and instance == self.instance)

    def write(self, digest: str, api_port: int, static: Mapping[str, Any]) -> Path:
        """The file, readable for us alone. Blocking."""
        path = self.home / self.file_name(digest, api_port)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(static, opened, indent=1)
        return path

    def sweep(self, running: list[Alive]) -> None:
        """Removes the files that nothing was started with any more. Blocking."""
        used = {(proxy.digest, proxy.api_port) for proxy in running if proxy.home == self.home}
        for path in self.home.glob("static-*.yml"):
            name = _NAME.fullmatch(path.name)
            if name is None or (name[2], int(name[3])) not in used:
                path.unlink(missing_ok=True)
