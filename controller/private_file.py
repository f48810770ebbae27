"""Files and directories that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def write_private(path: Path, content: bytes) -> Path:
    """A new file of that name, mode 0600, in the place of what has it; on the disk when this
    returns. Blocking. Raises OSError."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    return path


def private_directory(directory: Path) -> None:
    """There, and readable for us alone. Blocking. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if stat.S_IMODE(directory.stat().st_mode) != 0o700:
        directory.chmod(0o700)
