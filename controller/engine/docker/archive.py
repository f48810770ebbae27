"""Files as a tar archive in memory.

The engine makes missing parent directories itself (root, 0755) and leaves those that exist as
they are, so the archive names none: naming one would change its mode and owner.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Sequence

from resources.container_spec import FileContent


def pack(files: Sequence[FileContent], folder: str) -> bytes:
    """The archive to unpack at ``folder``, an absolute path that contains every file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            content = file.content.encode()
            member = tarfile.TarInfo(posixpath.relpath(posixpath.normpath(file.path), folder))
            member.size = len(content)
            member.mode = file.mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def folders(file: FileContent) -> list[str]:
    """The directories above a file, nearest first, ``/`` last."""
    found = []
    folder = posixpath.dirname(posixpath.normpath(file.path))
    while folder != "/":
        found.append(folder)
        folder = posixpath.dirname(folder)
    return [*found, "/"]
