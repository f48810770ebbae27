"""Packages of Debian and Ubuntu that this project's scripts need, installed only when missing.

Standard library only: this runs before the virtual environment exists. As a command:
``scripts/debian.py COMMAND=PACKAGE[,PACKAGE...] ...`` installs what provides the absent commands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)


class CannotInstall(Exception):
    """Says what is missing and what a person can do."""


def find_command(name: str) -> str | None:
    """Where the command is, also in the directories that only root has on its PATH."""
    return shutil.which(name, path=SEARCH_PATH)


def runs_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def install(packages: Sequence[str], why: str) -> None:
    """Install with APT, saying so. Without systemd no service is started by the installation, so
    that whatever runs afterwards was started by us. Raises CannotInstall."""
    names = " ".join(packages)
    if find_command("apt-get") is None:
        raise CannotInstall(f"{why} is missing; install what Debian calls: {names}")
    if os.geteuid() != 0:
        raise CannotInstall(
            f"{why} is missing; as root: apt-get install --no-install-recommends {names}"
        )
    print(f"installing {names} (for {why})", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": SEARCH_PATH}
    if not runs_systemd():
        environment["RUNLEVEL"] = "1"
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-q", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # A failing update may concern a source that is not needed here; the installation decides.
        if done.returncode != 0 and command[0] == "install":
            tail = "\n".join(done.stdout.splitlines()[-15:])
            raise CannotInstall(f"apt-get could not install {names}:\n{tail}")


def main(arguments: Sequence[str]) -> int:
    missing = [
        (command, packages.split(","))
        for command, _, packages in (argument.partition("=") for argument in arguments)
        if find_command(command) is None
    ]
    if not missing:
        return 0
    try:
        install(
            sorted({package for _, packages in missing for package in packages}),
            ", ".join(command for command, _ in missing),
        )
    except CannotInstall as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
