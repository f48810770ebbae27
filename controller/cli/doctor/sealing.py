"""The key file of secrets: is it there, whole, and ours alone? Does the store know another key?"""

from __future__ import annotations

import stat

from controller.cli.client import connect
from controller.cli.doctor.check import Check, note, ok, problem, warning
from controller.cli.failure import Unreachable
from controller.sealing import FileKeyring
from controller.settings import Settings
from resources.errors import UserError

_NAME = "key of secrets"


def examine(settings: Settings) -> list[Check]:
    path = settings.sealing_key_file
    try:
        keys = FileKeyring(path).load()
    except UserError as error:
        return [problem(_NAME, error.message, *error.suggestions)]
    wanted = _wanted()
    if wanted is not None and wanted not in keys:
        return [
            warning(
                _NAME,
                f"the controller seals for the key {wanted}, which is not in {path}",
                "bring its key file back, or set SKYCTL_KEY_FILE to where it is",
                "if it is lost for good: skyctl seal --new-key",
            )
        ]
    if not keys:
        return [note(_NAME, f"{path} is made at the first start; keep a copy of it then")]
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return [
            warning(_NAME, f"{path} has mode {mode:04o}: others can read it", f"chmod 600 {path}")
        ]
    return [ok(_NAME, f"{path}, key {next(iter(keys))}")]


def _wanted() -> str | None:
    """The id of the key that the running controller seals for, None when nobody tells."""
    try:
        with connect(timeout=5.0) as client:
            return str(client.get("/sealing-key")["id"])
    except (Unreachable, UserError):
        return None
