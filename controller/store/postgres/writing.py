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

KEPT_PREFIX = "skypanel.io/"
_WHERE = " WHERE kind = $1 AND organization = $2 AND name = $3"


def merged_annotations(current: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    """A manifest that does not mention an annotation the controller heeds does not remove it."""
    kept = {k: v for k, v in current.items() if k.startswith(KEPT_PREFIX)}
    return kept | dict(declared)


def not_found(key: Key) -> UserError:
    place = f" in organization {key.organization}" if key.organization else ""
    return UserError("RESOURCE_NOT_FOUND", f"there is no {key.short}{place}")


def owned_elsewhere(key: Key, owner: str, source: str) -> UserError:
    return UserError(
        "RESOURCE_OWNED_ELSEWHERE",
        f"{key.short} belongs to {owner}; {source} may not change it",
        details={"source": owner, "writer": source},
        suggestions=[
            "change it where it comes from, or take it over:"
            f" skyctl adopt {key.short} --source {source}"
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
            " api_version, created_by, owner) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            " ON CONFLICT (kind, organization, name) DO NOTHING RETURNING uid, generation",
            *manifest.key,
            as_json(manifest.spec),
            as_json(manifest.labels),
            as_json(manifest.annotations),
            manifest.api_version,
            actor,
            owner,
        )
        if created is not None:
            return Applied(manifest.key, "created", created["uid"], created["generation"])
        row = await session.fetchrow(
            "SELECT uid, source, generation, annotations FROM skyctl.resource_rows"
            + _WHERE
            + " FOR NO KEY UPDATE",
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
        generation = await session.fetchval(
            "UPDATE skyctl.resource_rows SET spec = $2, labels = $3, annotations = $4"
            " WHERE uid = $1 AND (spec, labels, annotations) IS DISTINCT FROM ($2, $3, $4)"
            " RETURNING generation",
            row["uid"],
            as_json(manifest.spec),
            as_json(manifest.labels),
            as_json(merged_annotations(row["annotations"], manifest.annotations)),
        )
        if generation is None:
            return Applied(manifest.key, "unchanged", row["uid"], row["generation"])
        return Applied(manifest.key, "configured", row["uid"], generation)

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
                "UPDATE skyctl.resource_rows SET source = $2 WHERE uid = $1", row["uid"], source
            )
            await session.execute(
                "SELECT skyctl.record_event($1, $2, $3, $4, 'Normal', 'Adopted', $5)",
                row["uid"],
                *key,
                f"adopted from {row['source']} to {source} by {actor or 'skyctl'}",
            )
