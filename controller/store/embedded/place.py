"""Where the server lives, and whose it is.

As root the account must be able to go down to the data. The state directory is ours, so it may be
made passable (not readable) for others; what lies above it is not ours, and when that is closed
(``/root``) the data go to ``/var/lib/skyctl`` with a link in the state directory.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.store.embedded.account import Account
from resources.errors import UserError

ELSEWHERE = Path("/var/lib/skyctl")
PASSABLE = 0o711
PRIVATE = 0o700


def settle(state_dir: Path, account: Account | None) -> Path:
    """The home of the server, made if it is not there. Blocking."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    home = state_dir.resolve() / "postgres"
    if home.is_symlink() and not home.exists():
        raise UserError(
            "CONFIGURATION_EMBEDDED_PLACE",
            f"{home} points to {home.readlink()}, which is not there",
            suggestions=["mount or restore it; remove the link only to begin with no data"],
        )
    if not home.exists():
        _make(state_dir.resolve(), home, account)
    home = home.resolve()
    if account is not None and not account.reaches(home):
        _open_own(state_dir.resolve(), home, account)
    return home


def _make(state_dir: Path, home: Path, account: Account | None) -> None:
    if account is None:
        home.mkdir(mode=PRIVATE)
        return
    if account.reaches(state_dir.parent):
        home.mkdir()
        home.chmod(PASSABLE)
        return
    ELSEWHERE.mkdir(mode=PASSABLE, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="postgres-", dir=ELSEWHERE))
    place.chmod(PASSABLE)
    home.symlink_to(place)


def _open_own(state_dir: Path, home: Path, account: Account) -> None:
    """Passage through the state directory and the home, which are ours; nothing above."""
    for directory in (state_dir, home):
        if directory.stat().st_uid == 0:
            directory.chmod(directory.stat().st_mode | 0o011)
    if not account.reaches(home):
        raise UserError(
            "CONFIGURATION_EMBEDDED_PLACE",
            f"PostgreSQL runs as {account.name} here, which cannot reach {home}",
            suggestions=["choose another --state-dir", "or give --database-url"],
        )


@contextmanager
def claim(home: Path) -> Iterator[None]:
    """Holds the directory for this process; gone with the process, however that ends."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "?"
            raise UserError(
                "CONFIGURATION_STATE_DIR_IN_USE",
                f"another controller (process {holder}) uses the database in {home}",
                suggestions=[
                    "stop it, or choose another --state-dir",
                    "several controllers share one database by --database-url",
                ],
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
