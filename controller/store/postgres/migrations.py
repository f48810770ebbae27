"""The schema: numbered, additive, idempotent files, applied at start under a lock.

``skyctl.schema_versions`` says which files were applied, with their checksums; a file that is new
or differs is applied (again). 900_grants.sql comes after any change, and again once the roles are
there. A user who may not change the schema needs nothing when it is current.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources as packaged

import asyncpg  # type: ignore[import-untyped]

from controller.store.postgres.connection import Connection
from controller.store.postgres.errors import translated
from resources.errors import UserError

REPEATED = 900
_LOCK = "SELECT pg_catalog.pg_advisory_xact_lock(7563641, 3)"
_ADVICE = 'an administrator runs: skyctl schema sql | psql "$ADMIN_DATABASE_URL"'


@dataclass(frozen=True, slots=True)
class SchemaFile:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()[:32]

    @property
    def recorded(self) -> str:
        """The statement that says this file was applied."""
        return (
            "INSERT INTO skyctl.schema_versions (version, name, checksum)"
            f" VALUES ({self.version}, '{self.name}', '{self.checksum}')"
            " ON CONFLICT (version) DO UPDATE SET name = EXCLUDED.name,"
            " checksum = EXCLUDED.checksum, applied_at = pg_catalog.now()"
            " WHERE schema_versions.checksum <> EXCLUDED.checksum;\n"
        )


def schema_files() -> list[SchemaFile]:
    folder = packaged.files("controller.store") / "schema"
    found = [
        SchemaFile(int(item.name[:3]), item.name, item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    ]
    return sorted(found, key=lambda file: file.version)


def schema_sql() -> str:
    """Everything, for psql, in one transaction; may be run again at any time."""
    parts = [
        "-- The schema of skypanel-controller, with roles and grants. Safe to run again.\n"
        "-- Run it as a user who may create roles and schemas in this database.\n"
        "-- Afterwards: GRANT skyctl_controller TO <the controller's login>;\n"
        "--             GRANT skyctl_backend TO <the panel's login>;\n"
        "BEGIN;\n"
    ]
    parts += [f"\n-- {file.name}\n{file.sql}\n{file.recorded}" for file in schema_files()]
    return "".join([*parts, "COMMIT;\n"])


async def migrate(connection: Connection, *, timeout: float) -> None:
    """Brings the schema to this binary's version. timeout: seconds for each file.

    Raises UserError CONFIGURATION_SCHEMA_NEWER when the schema is ahead of this binary,
    CONFIGURATION_SCHEMA_ACCESS when we may not do what is needed.
    """
    files = schema_files()
    with translated():
        await _refuse_newer(connection, files)
        if not await _outdated(connection, files):
            return
        try:
            async with connection.transaction():
                await connection.execute(_LOCK, timeout=timeout)
                await _refuse_newer(connection, files)
                outdated = await _outdated(connection, files)
                for file in outdated:
                    await connection.execute(file.sql, timeout=timeout)
                for file in outdated:
                    await connection.execute(file.recorded, timeout=timeout)
        except asyncpg.InsufficientPrivilegeError as error:
            raise UserError(
                "CONFIGURATION_SCHEMA_ACCESS",
                f"the schema skyctl must be made or changed, and this user may not: {error}",
                suggestions=[_ADVICE, "then: GRANT skyctl_controller TO this user"],
            ) from error


async def _applied(connection: Connection) -> dict[int, str]:
    """version -> checksum of what was applied."""
    schema, table = await connection.fetchrow(
        "SELECT to_regnamespace('skyctl') IS NOT NULL,"
        " (SELECT oid FROM pg_catalog.pg_class WHERE relname = 'schema_versions'"
        "   AND relnamespace = to_regnamespace('skyctl')) IS NOT NULL"
    )
    if schema and not await connection.fetchval("SELECT has_schema_privilege('skyctl', 'USAGE')"):
        raise UserError(
            "CONFIGURATION_SCHEMA_ACCESS",
            "the schema skyctl is there, but this user may not use it",
            suggestions=["an administrator runs: GRANT skyctl_controller TO this user"],
        )
    if not table:
        return {}
    rows = await connection.fetch("SELECT version, checksum FROM skyctl.schema_versions")
    return {row["version"]: row["checksum"] for row in rows}


async def _refuse_newer(connection: Connection, files: list[SchemaFile]) -> None:
    newest = max((v for v in await _applied(connection) if v < REPEATED), default=0)
    known = max(file.version for file in files if file.version < REPEATED)
    if newest > known:
        raise UserError(
            "CONFIGURATION_SCHEMA_NEWER",
            f"the schema has version {newest}, this program knows {known}",
            suggestions=["run the newer skyctl that changed the schema, or one after it"],
        )


async def _outdated(connection: Connection, files: list[SchemaFile]) -> list[SchemaFile]:
    applied = await _applied(connection)
    outdated = [file for file in files if applied.get(file.version) != file.checksum]
    if not outdated and await _grants_missing(connection):
        return [file for file in files if file.version in (1, REPEATED)]
    if outdated and files[-1] not in outdated:
        outdated.append(files[-1])
    return outdated


async def _grants_missing(connection: Connection) -> bool:
    """The roles were not there when the schema came, and are now or can be made now."""
    return bool(
        await connection.fetchval(
            "SELECT (SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname IN"
            "   ('skyctl_owner', 'skyctl_controller', 'skyctl_backend')) < 3"
            "  AND (SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles"
            "       WHERE rolname = current_user)"
            " OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'skyctl_backend'"
            "     AND NOT has_table_privilege(oid, 'skyctl.resources', 'SELECT'))"
            "  AND (SELECT pg_has_role(current_user, relowner, 'USAGE')"
            "       FROM pg_catalog.pg_class WHERE oid = 'skyctl.resources'::regclass)"
        )
    )
