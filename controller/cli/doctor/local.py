"""The state directory, and whether a controller answers on its socket."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from controller.cli.client import connect
from controller.cli.doctor.check import Check, note, ok, problem, warning
from controller.cli.failure import Unreachable
from controller.settings import Settings
from resources.errors import UserError

_LONGEST_SOCKET = 107
_NAME = "state directory"


def examine_state(settings: Settings) -> list[Check]:
    directory = settings.state_dir
    if len(os.fsencode(settings.socket)) > _LONGEST_SOCKET:
        return [
            problem(
                _NAME,
                f"{directory} is too long a path for a socket",
                "choose a shorter one: --state-dir or SKYCTL_STATE_DIR",
            )
        ]
    if not directory.exists():
        return [_absent(directory)]
    if not directory.is_dir():
        return [problem(_NAME, f"{directory} is not a directory", "move it away")]
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        owner = directory.stat().st_uid
        return [
            problem(
                _NAME,
                f"{directory} belongs to uid {owner} and we are uid {os.geteuid()}",
                "run as its owner, or choose another: SKYCTL_STATE_DIR",
            )
        ]
    mode = stat.S_IMODE(directory.stat().st_mode)
    found = (
        warning(
            _NAME,
            f"{directory} has mode {mode:04o}: others can look into it",
            f"chmod 700 {directory}",
        )
        if mode & 0o066
        else ok(_NAME, f"{directory}, mode {mode:04o}")
    )
    return [found]


def _absent(directory: Path) -> Check:
    parent = directory
    while not parent.exists():
        parent = parent.parent
    if os.access(parent, os.W_OK | os.X_OK):
        return ok(_NAME, f"{directory} will be made")
    return problem(
        _NAME,
        f"{directory} cannot be made: {parent} is not writable for us",
        "choose another: --state-dir or SKYCTL_STATE_DIR",
    )


async def examine_controller(settings: Settings) -> list[Check]:
    """No controller is no problem: doctor is asked before one is started."""
    try:
        with connect(timeout=5.0) as client:
            found = client.get("/controller")
    except Unreachable as error:
        stale = settings.socket.exists()
        return [
            warning("controller", error.message, *error.suggestions[:1])
            if stale
            else note("controller", "none runs on this state directory", "start one: skyctl run")
        ]
    except UserError as error:
        return [problem("controller", error.message, *error.suggestions)]
    text = f"version {found['version']} answers, {found['role']}"
    if found["ready"]:
        return [ok("controller", text)]
    return [problem("controller", f"{text}, not ready: {'; '.join(found['reasons'])}")]
