"""Who the server runs as: PostgreSQL refuses root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.errors import UserError

CANDIDATES = ("skyctl", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    def reaches(self, path: Path) -> bool:
        """May it go through every directory down to that one (itself included)?"""
        resolved = path.resolve()
        return all(self._passes(part) for part in (resolved, *resolved.parents))

    def _passes(self, directory: Path) -> bool:
        found = directory.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)

    def popen(self) -> dict[str, Any]:
        """Arguments that make a child run as this account and nothing else."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account(data: Path) -> Account | None:
    """None: as ourselves. As root: whoever owns the data, else the first that exists."""
    if os.geteuid() != 0:
        return None
    with_data = data.stat().st_uid if data.exists() else 0
    for candidate in (with_data, *CANDIDATES):
        account = _lookup(candidate)
        if account is not None and account.uid != 0:
            return account
    raise UserError(
        "CONFIGURATION_EMBEDDED_ACCOUNT",
        "PostgreSQL does not run as root, and there is no account to run it as",
        suggestions=[f"add one of the users {', '.join(CANDIDATES)}", "or give --database-url"],
    )


def _lookup(candidate: int | str) -> Account | None:
    try:
        found = pwd.getpwuid(candidate) if isinstance(candidate, int) else pwd.getpwnam(candidate)
    except KeyError:
        return None
    return Account(found.pw_name, found.pw_uid, found.pw_gid)
