"""Where the quickstart's state is: SKYCTL_STATE_DIR, else .state in the project; where the path of
that is too long for a socket, a directory under the home or /var/lib."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LONGEST_STATE_DIR = 80
"""Bytes. The path of a socket in it ends at 107."""


def state_directory() -> Path:
    if given := os.environ.get("SKYCTL_STATE_DIR"):
        return Path(given).absolute()
    wanted = PROJECT / ".state"
    if short_enough(wanted):
        return wanted
    token = hashlib.sha256(os.fsencode(PROJECT)).hexdigest()[:8]
    for base in (Path.home() / ".local" / "state", Path("/var/lib"), Path("/var/tmp")):
        instead = base / f"skyctl-{token}"
        if short_enough(instead) and os.access(existing(instead), os.W_OK):
            print(f"The state is in {instead}: {wanted} is too long for a socket.", flush=True)
            return instead
    sys.exit(f"error: {wanted} is too long for a socket; set SKYCTL_STATE_DIR to a short path")


def short_enough(directory: Path) -> bool:
    return len(os.fsencode(directory)) <= LONGEST_STATE_DIR


def existing(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    return path if path.exists() else existing(path.parent)
