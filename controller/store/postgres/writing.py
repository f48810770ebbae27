"""What users write through us: apply, delete, annotate, adopt. The rules are the triggers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.store.base import Applied
from controller.store.document import as_json
from controller.store.postgres.connection import Session
from controller.store.postgres.reading import Reading
from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.metadata import heeded_names, merged

_WHERE = " WHERE kind = $1 AND organization = $2 AND name = $3"


def not_found(key: Key) -> UserError:
    place = f" in organization {key.organization}" if key.organization else ""
    return UserError("RESOURCE_NOT_FOUND", f"there is no {key.short}{place}")


def owned_elsewhere(key: Key, owner: str, source: str) -> UserError:
    place = f" --org {key.organization}" if key.organization else ""
    return UserError(
        "RESOURCE_OWNED_ELSEWHERE",
        f"{key.short} belongs to {owner}; {source} may not change it",
        details={"source": owner, "writer": source},
        suggestions=[
            "change it where it comes from, or take it over:"
            f" skyctl adopt {key.kind.lower()}/{key.name}{place} --source {source}"
        ],
    )


class Writing(Reading):
    async def apply(
        self,
        manifest: Manifest,
        *,
        source: str,
        actor: str | None = None,
        dry_run: bool = False,
        owner: str | None = None,
        epoch: int | None = None,
    ) -> Applied:
        async with self._database.transaction(source=source, actor=actor, epoch=epoch) as session:
            trial = session.transaction()  # a savepoint; given up at the end of a dry run
            await trial.start()
            applied = await self._apply(session, manifest, source, actor, owner)
            await (trial.rollback() if dry_run else trial.commit())
            return applied

    async def _apply(
        self,
        session: Session,
        manifest: Manifest,
        source: str,
        actor: str | None,
        owner: str | None,
    ) -> Applied:
        created = await session.fetchrow(
            "INSERT INTO skyctl.resource_rows (kind, organization, name, spec, labels, annotations,"
            " api_version, created_by, owner, applied_annotations)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            " ON CONFLICT (kind, organization, name) DO NOTHING RETURNING uid, generation",
            *manifest.key,
            as_json(manifest.spec),
            as_json(manifest.labels),
            as_json(manifest.annotations),
            manifest.api_version,
            actor,
            owner,
            list(heeded_names(manifest.annotations)),
        )
        if created is not None:
            return Applied(manifest.key, "created", created["uid"], created["generation"])
        row = await session.fetchrow(
            "SELECT uid, source, generation, annotations, applied_annotations"
            " FROM skyctl.resource_rows" + _WHERE + " FOR NO KEY UPDATE",
            *manifest.key,
        )
        if row is None:  # it went between the two statements
            return await self._apply(session, manifest, source, actor, owner)
        if row["source"] != source:
            raise owned_elsewhere(manifest.key, row["source"], source)
        return await self._configure(session, manifest, row)

    async def _configure(
        self, session: Session, manifest: Manifest, row: Mapping[str, Any]
    ) -> Applied:
        before, names = row["applied_annotations"], list(heeded_names(manifest.annotations))
        generation = await session.fetchval(
            "UPDATE skyctl.resource_rows SET spec = $2, labels = $3, annotations = $4,"
            " applied_annotations = $5"
            " WHERE uid = $1 AND (spec, labels, annotations) IS DISTINCT FROM ($2, $3, $4)"
            " RETURNING generation",
            row["uid"],
            as_json(manifest.spec),
            as_json(manifest.labels),
            as_json(merged(row["annotations"], before, manifest)),
            names,
        )
        if generation is None:
            if names != before:
                await self._note_applied(session, manifest.key, names)
            return Applied(manifest.key, "unchanged", row["uid"], row["generation"])
        return Applied(manifest.key, "configured", row["uid"], generation)

    @staticmethod
    async def _note_applied(session: Session, key: Key, names: list[str]) -> None:
        """They are as they were, and this manifest's from now on."""
        await session.execute(
            "UPDATE skyctl.resource_rows SET applied_annotations = $4" + _WHERE, *key, names
        )
        await session.execute("SELECT pg_notify('skyctl_resources', $1)", str(key))

    async def delete(
        self,
        key: Key,
        *,
        source: str | None,
        actor: str | None = None,
        epoch: int | None = None,
    ) -> bool:
        async with self._database.transaction(
            source=source or "*", actor=actor, epoch=epoch
        ) as session:
            answer = await session.execute("DELETE FROM skyctl.resources" + _WHERE, *key)
        return str(answer) != "DELETE 0"

    async def annotate(
        self, key: Key, changes: Mapping[str, str | None], *, actor: str | None = None
    ) -> None:
        """None removes. Raises UserError RESOURCE_NOT_FOUND."""
        async with self._database.transaction(source="*", actor=actor) as session:
            answer = await session.execute(
                "UPDATE skyctl.resource_rows SET annotations = (annotations || $4) - $5::text[]"
                + _WHERE,
                *key,
                as_json({k: v for k, v in changes.items() if v is not None}),
                [k for k, v in changes.items() if v is None],
            )
        if answer == "UPDATE 0":
            raise not_found(key)

    async def adopt(self, key: Key, *, source: str, actor: str | None = None) -> None:
        """From now on the spec belongs to that source. Raises UserError RESOURCE_NOT_FOUND."""
        async with self._database.transaction(source="*", actor=actor) as session:
            row = await session.fetchrow(
                "SELECT uid, source FROM skyctl.resource_rows" + _WHERE + " FOR NO KEY UPDATE",
                *key,
            )
            if row is None:
                raise not_found(key)
            if row["source"] == source:
                return
            await session.execute(
                "UPDATE skyctl.resource_rows SET source = $2, applied_annotations = '{}'"
                " WHERE uid = $1",
                row["uid"],
                source,
            )
            await session.execute(
                "SELECT skyctl.record_event($1, $2, $3, $4, 'Normal', 'Adopted', $5)",
                row["uid"],
                *key,
                f"adopted from {row['source']} to {source} by {actor or 'skyctl'}",
            )
