"""A Store in memory, with the semantics of the real one and hooks for faults.

``before(op, *what)`` and ``after(op, *what)`` are awaited around each operation, named as its
method (``apply``, ``record``, ``write_status``, ..., ``lease.beat``, ``lease.acquire``). Raising in
``before`` is a lost request, in ``after`` a lost reply. Nothing is awaited in between, so each
operation is atomic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.store.base import Applied, Event
from controller.store.document import as_json, printable, storable
from controller.store.postgres.recording import EVENTS_KEPT, REVISIONS_KEPT, gone
from controller.store.postgres.writing import not_found, owned_elsewhere
from resources.errors import UserError
from resources.hostname_claims import ClaimHostname, ReleaseHostnames
from resources.meta import Entry, Key, Manifest, Resource
from resources.metadata import heeded_names, merged
from resources.store_steps import Claim, Finalize, RequestDeletion, RetainVolume, Settle, StoreStep
from tests.fakes import store_rules as rules
from tests.fakes.store_database import FakeDatabase
from tests.fakes.store_image_access import FakeImageAccess
from tests.fakes.store_secrets import FakeSealing, empty_inbox, received
from tests.fakes.store_steps import perform, refresh_rollouts

__all__ = ["FakeDatabase", "FakeStore"]


class FakeStore(FakeSealing, FakeImageAccess):
    """Implements ``controller.store.base.Store``."""

    # -- users' writes

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
        async with self.operation("apply", manifest.key) as database:
            if epoch is not None:
                self.lead(epoch)
            before = database.entries.get(manifest.key)
            if before is None:
                entry = self._created(manifest, source, actor, owner)
                action = "created"
            else:
                entry = self._configured(before, manifest, source)
                same = before.resource.updated_at == entry.resource.updated_at
                action = "unchanged" if same else "configured"
            if not dry_run and entry is not before:
                database.put(entry)
                if before is None or before.resource.generation != entry.resource.generation:
                    database.revise(entry, actor or source)
                empty_inbox(database, entry.key)
                database.notify(entry.key)
        return Applied(manifest.key, action, entry.resource.uid, entry.resource.generation)

    def _created(
        self, manifest: Manifest, source: str, actor: str | None, owner: str | None
    ) -> Entry:
        key, spec = manifest.key, received(self.database, manifest.key, as_json(manifest.spec))
        self._check_shape(manifest, spec)
        now = self.database.now()
        return Entry(
            Resource(
                key=key,
                uid=self.database.new_uid(),
                spec=spec,
                labels=as_json(manifest.labels),
                annotations=as_json(manifest.annotations),
                source=source,
                owner=owner,
                created_by=actor,
                created_at=now,
                updated_at=now,
                api_version=manifest.api_version,
                applied_annotations=heeded_names(manifest.annotations),
            )
        )

    def _check_shape(self, manifest: Manifest, spec: Mapping[str, Any]) -> None:
        rules.check_key(manifest.key)
        rules.check_spec(manifest.key.kind, spec)
        rules.check_texts("labels", manifest.labels)
        rules.check_texts("annotations", manifest.annotations)
        organization = manifest.key.organization
        home = self.database.entries.get(Key("Organization", "", organization))
        if organization and home is not None and home.resource.deleting:
            raise rules.being_deleted("Organization", organization)

    def _configured(self, before: Entry, manifest: Manifest, source: str) -> Entry:
        """The entry itself when nothing differs."""
        resource = before.resource
        spec = received(self.database, manifest.key, as_json(manifest.spec))
        self._check_shape(manifest, spec)
        if resource.deleting:
            raise rules.being_deleted(resource.key.kind, resource.key.name)
        if resource.source != source:
            raise owned_elsewhere(resource.key, resource.source, source)
        annotations = as_json(merged(resource.annotations, resource.applied_annotations, manifest))
        names = heeded_names(manifest.annotations)
        same_spec = rules.same_json(spec, resource.spec)
        if (
            same_spec
            and dict(manifest.labels) == resource.labels
            and annotations == resource.annotations
        ):
            noted = replace(before, resource=replace(resource, applied_annotations=names))
            return before if names == resource.applied_annotations else noted
        return replace(
            before,
            resource=replace(
                resource,
                applied_annotations=names,
                spec=resource.spec if same_spec else spec,
                generation=resource.generation + (not same_spec),
                labels=as_json(manifest.labels),
                annotations=annotations,
                updated_at=self.database.after(resource.updated_at),
            ),
        )

    async def delete(
        self,
        key: Key,
        *,
        source: str | None,
        actor: str | None = None,
        epoch: int | None = None,
    ) -> bool:
        async with self.operation("delete", key) as database:
            if epoch is not None:
                self.lead(epoch)
            entry = database.entries.get(key)
            if entry is not None and not entry.resource.deleting:
                self._check_delete(entry, source)
                database.request_deletion(entry, actor or source or "skyctl")
        return entry is not None

    def _check_delete(self, entry: Entry, source: str | None) -> None:
        resource = entry.resource
        if source not in (None, resource.source):
            raise rules.owned(resource.key, resource.source, str(source), "delete")
        how = "null in a manifest, annotations - 'skypanel.io/protect' in SQL"
        hint = f"remove its annotation skypanel.io/protect first: {how}"
        if rules.protected(resource.annotations):
            message = f"{resource.key.short} is protected against deletion"
            raise UserError("RESOURCE_PROTECTED", message, suggestions=[hint])
        if resource.key.kind != "Organization":
            return
        members = map(self.database.entries.__getitem__, self._members(resource.key.name))
        guarded = sorted(
            m.key.short
            for m in members
            if not m.resource.deleting and rules.protected(m.resource.annotations)
        )
        if guarded:
            raise UserError(
                "RESOURCE_PROTECTED",
                f"{resource.key.short} holds what is protected against deletion:"
                f" {', '.join(guarded)}",
                suggestions=[f"remove their annotation skypanel.io/protect first: {how}"],
            )

    def _members(self, organization: str) -> Sequence[Key]:
        return tuple(self.database.members.get(organization, ()))

    async def annotate(
        self, key: Key, changes: Mapping[str, str | None], *, actor: str | None = None
    ) -> None:
        async with self.operation("annotate", key) as database:
            entry = database.entries.get(key)
            if entry is None:
                raise not_found(key)
            resource = entry.resource
            annotations = {**resource.annotations, **changes}
            kept = as_json({k: v for k, v in annotations.items() if v is not None})
            rules.check_texts("annotations", kept)
            if kept != resource.annotations:
                changed = replace(
                    resource, annotations=kept, updated_at=database.after(resource.updated_at)
                )
                database.put(replace(entry, resource=changed))
                database.notify(key)

    async def adopt(self, key: Key, *, source: str, actor: str | None = None) -> None:
        async with self.operation("adopt", key) as database:
            entry = database.entries.get(key)
            if entry is None:
                raise not_found(key)
            resource = entry.resource
            if resource.source != source:
                changed = replace(
                    resource,
                    source=source,
                    applied_annotations=(),
                    updated_at=database.after(resource.updated_at),
                )
                database.put(replace(entry, resource=changed))
                message = f"adopted from {resource.source} to {source} by {actor or 'skyctl'}"
                database.event(Event(resource.uid, key, "Normal", "Adopted", message))

    # -- the controller's writes

    async def record(self, uid: str, steps: Sequence[StoreStep], *, epoch: int) -> Entry | None:
        async with self.operation("record", uid, steps) as database:
            self.lead(epoch)
            entry = database.by_uid(uid)
            if entry is not None:
                self._record(database, entry, steps)
            elif not all(isinstance(step, Finalize | RetainVolume) for step in steps):
                raise gone(uid)
            return database.by_uid(uid)

    def _record(self, database: FakeDatabase, entry: Entry, steps: Sequence[StoreStep]) -> None:
        """All or nothing. Steps that end the row or reach beyond it refuse before they change
        anything, so restoring the row's own state is enough."""
        uid = entry.resource.uid
        kept = [
            dict(database.revisions.get(uid, {})),
            dict(database.rollouts.get(uid, {})),
            dict(database.was_ready.get(uid, {})),
        ]
        network, retained = database.subnets.by_uid.get(uid), dict(database.retained)
        others = dict(database.entries) if _reaches_others(steps) else None
        hostnames = {place: dict(claims) for place, claims in database.hostnames.items()}
        try:
            for step in steps:
                current = database.by_uid(uid)
                if current is not None:
                    perform(database, current, step)
        except BaseException:
            for other in (others or {}).values():
                database.put(other)
            database.put(entry)
            database.revisions[uid], database.rollouts[uid], database.was_ready[uid] = kept  # type: ignore[assignment]
            database.retained, database.hostnames = retained, hostnames
            database.subnets.drop(uid)
            if network is not None:
                database.subnets.put(uid, network)
            raise

    async def write_status(
        self, uid: str, observed_generation: int, status: Mapping[str, Any], *, epoch: int
    ) -> bool:
        async with self.operation("write_status", uid, status) as database:
            self.lead(epoch)
            entry, document = database.by_uid(uid), as_json(storable(status))
            written = entry is not None and not (
                entry.observed_generation == observed_generation
                and rules.same_json(entry.status, document)
            )
            if entry is not None and written:
                database.status_writes += 1
                database.put(
                    replace(entry, status=document, observed_generation=observed_generation)
                )
        return written

    async def emit(self, events: Sequence[Event], *, epoch: int) -> None:
        if not events:
            return
        async with self.operation("emit", events) as database:
            self.lead(epoch)
            now = database.now()
            for event in events:
                if event.reason == "Pulling":
                    database.events = {
                        name: other
                        for name, other in database.events.items()
                        if (other.uid, other.reason) != (event.uid, event.reason)
                        or other.message == event.message
                    }
                database.event(
                    replace(
                        event,
                        reason=event.reason[:128],
                        message=printable(event.message)[:2048],
                    ),
                    now,
                )

    async def claim_expired(self, uid: str, *, epoch: int) -> bool:
        async with self.operation("claim_expired", uid) as database:
            self.lead(epoch)
            retained, _ = database.retained.get(uid, (None, None))
            expires = None if retained is None else retained.expires_at
            return expires is not None and expires <= database.now()

    async def release_retained(self, uid: str, *, epoch: int) -> None:
        async with self.operation("release_retained", uid) as database:
            self.lead(epoch)
            database.retained.pop(uid, None)

    async def expire_retained(self, uid: str, *, actor: str | None = None) -> None:
        async with self.operation("expire_retained", uid) as database:
            if uid not in database.retained:
                raise UserError("RESOURCE_NOT_FOUND", f"no volume with uid {uid} is retained")
            retained, key = database.retained[uid]
            now = database.now()
            expires = min(retained.expires_at or now, now)
            by = (actor or "") if retained.purged_by is None else retained.purged_by
            database.retained[uid] = (replace(retained, expires_at=expires, purged_by=by), key)
            message = f"purge requested by {actor or 'skyctl'}"
            database.event(Event(uid, key, "Normal", "PurgeRequested", message))
            database.decided("retained")

    async def housekeeping(self, *, epoch: int) -> None:
        async with self.operation("housekeeping") as database:
            self.lead(epoch)
            oldest = database.now() - timedelta(seconds=self.event_retention)
            seen: dict[str, int] = {}
            for mark, event in reversed(list(database.events.items())):
                seen[event.uid] = seen.get(event.uid, 0) + 1
                if seen[event.uid] > EVENTS_KEPT or (event.at is not None and event.at < oldest):
                    del database.events[mark]
            for entry in list(database.entries.values()):
                self._trim(database, entry)

    def _trim(self, database: FakeDatabase, entry: Entry) -> None:
        uid = entry.resource.uid
        revisions = database.revisions[uid]
        containers = (entry.status or {}).get("containers") or ()
        needed = {entry.record.accepted_generation, entry.record.ready_generation}
        needed.update(container.get("generation") for container in containers)
        needed.update(sorted(revisions)[-REVISIONS_KEPT:])
        if revisions.keys() <= needed:
            return
        for generation in revisions.keys() - needed:
            del revisions[generation]
            database.rollouts.get(uid, {}).pop(generation, None)
            database.was_ready.get(uid, {}).pop(generation, None)
        results = {g: r for g, r in entry.record.predeploy.items() if g in revisions}
        trimmed = replace(entry, record=replace(entry.record, predeploy=results))
        refresh_rollouts(database, trimmed)


def _reaches_others(steps: Sequence[StoreStep]) -> bool:
    return len(steps) > 1 and any(
        isinstance(step, RequestDeletion | Claim | Settle | ClaimHostname | ReleaseHostnames)
        for step in steps
    )
