"""What a controller takes over from another one of its instance on the same host, whose proxy still
serves: the routes, which nobody has kept since, and the certificates.

Then the proxy that is started in the place of that one serves the same from its first moment on.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from controller.ingress.files import FilePublisher
from controller.private_file import write_private
from resources.errors import UserError

log = structlog.get_logger("ingress")

CERTIFICATES = "acme.json"
LARGEST = 64_000_000
"""Bytes."""


async def inherit(
    publisher: FilePublisher, formers: Callable[[], Awaitable[Sequence[Path]]]
) -> None:
    """Never raises for what is not to be had: then what is missing is published anew."""
    try:
        for home in await formers():
            count = await publisher.inherit(home / "routes")
            if count:
                await asyncio.to_thread(certificates, publisher.directory.parent, home)
                log.info("routes are taken over", documents=count, of=str(home))
    except (UserError, OSError) as error:
        log.warning("routes cannot be taken over", problem=str(error))


def certificates(home: Path, former: Path) -> None:
    """Where theirs are newer. Blocking. Raises OSError."""
    source, target = former / CERTIFICATES, home / CERTIFICATES
    try:
        seen = source.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(seen.st_mode) or seen.st_size > LARGEST:
        return
    if target.exists() and target.stat().st_mtime_ns >= seen.st_mtime_ns:
        return
    write_private(home / f".{CERTIFICATES}.new", source.read_bytes()).rename(target)
