"""Rows of the database as our values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.store.base import Event, Held, Revision
from resources.context import Retained
from resources.meta import Entry, HostnameClaim, Key, Record, Resource, Rollout
from resources.quota import Admission, Request, Shortfall

NO_UID = "00000000-0000-0000-0000-000000000000"
Row = Mapping[str, Any]

# One row with everything about it; correlated lookups by primary key beat joins of whole tables
# for one key and are as good for all.
ENTRY = """
SELECT r.uid, r.api_version, r.kind, r.organization, r.name, r.labels, r.annotations, r.spec,
       r.generation, r.source, r.owner, r.created_by, r.created_at, r.updated_at,
       r.deletion_requested_at, r.finalizers, r.applied_annotations,
       s.observed_generation, s.status,
       a.generation AS accepted_generation,
       CASE WHEN a.generation <> r.generation THEN a.spec END AS accepted_spec,
       y.generation AS ready_generation, y.ready_restarted_at,
       CASE WHEN o.outcome IN ('failed', 'rolledBack') THEN
         (SELECT spec FROM skyctl.revisions WHERE uid = r.uid AND generation = y.generation)
       END AS ready_spec,
       o.generation AS rollout_generation, o.revision, o.started_at, o.ready_at, o.outcome,
       o.reason, o.failure,
       n.subnet, v.engine_name, v.label_uid,
       d.generation AS admitted_generation, d.claims, d.wanted, d.wanted_generation, d.since,
       d.lacking,
       (SELECT jsonb_object_agg(generation, result) FROM skyctl.pre_deploys WHERE uid = r.uid)
         AS predeploy,
       CASE r.kind WHEN 'Domain' THEN
         (SELECT jsonb_agg(jsonb_build_array(hostname, path, verified_at IS NOT NULL, conflict)
                           ORDER BY hostname, path)
          FROM skyctl.domain_claims WHERE uid = r.uid) END AS hostnames
FROM skyctl.resource_rows AS r
LEFT JOIN skyctl.resource_status AS s ON s.uid = r.uid
LEFT JOIN LATERAL (SELECT generation, spec FROM skyctl.revisions WHERE uid = r.uid AND accepted
                   ORDER BY generation DESC LIMIT 1) AS a ON true
LEFT JOIN LATERAL (SELECT * FROM skyctl.rollouts WHERE uid = r.uid
                   ORDER BY generation DESC LIMIT 1) AS o ON true
LEFT JOIN LATERAL (SELECT generation, ready_restarted_at FROM skyctl.rollouts
                   WHERE uid = r.uid AND was_ready
                   ORDER BY generation DESC LIMIT 1) AS y ON true
LEFT JOIN skyctl.subnets AS n ON n.uid = r.uid
LEFT JOIN skyctl.volume_records AS v ON v.uid = r.uid
LEFT JOIN skyctl.admissions AS d ON d.uid = r.uid
"""


def key_of(row: Row) -> Key:
    return Key(row["kind"], row["organization"], row["name"])


def entry_of(row: Row) -> Entry:
    return Entry(
        resource=resource_of(row),
        record=_record_of(row),
        status=row["status"],
        observed_generation=row["observed_generation"],
    )


def resource_of(row: Row) -> Resource:
    return Resource(
        key=key_of(row),
        uid=row["uid"],
        spec=row["spec"],
        generation=row["generation"],
        labels=row["labels"],
        annotations=row["annotations"],
        source=row["source"],
        owner=row["owner"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deletion_requested_at=row["deletion_requested_at"],
        finalizers=tuple(row["finalizers"]),
        api_version=row["api_version"],
        applied_annotations=tuple(row["applied_annotations"]),
    )


def _record_of(row: Row) -> Record:
    accepted = row["accepted_generation"]
    spec = row["spec"] if accepted == row["generation"] else row["accepted_spec"]
    return Record(
        accepted_generation=accepted,
        accepted_spec=None if accepted is None else spec,
        ready_generation=row["ready_generation"],
        ready_spec=row["ready_spec"],
        ready_restarted_at=row["ready_restarted_at"],
        rollout=_rollout_of(row),
        subnet=row["subnet"],
        volume_created=row["engine_name"] is not None,
        volume_name=row["engine_name"],
        volume_label_uid=row["label_uid"],
        predeploy={int(k): v for k, v in (row["predeploy"] or {}).items()},
        admission=admission_of(row),
        hostnames=tuple(HostnameClaim(*claim) for claim in row["hostnames"] or ()),
    )


def admission_of(row: Row) -> Admission | None:
    """Of a row that shows the columns of ``admissions``, its generation as admitted_generation."""
    if row["admitted_generation"] is None:
        return None
    waiting = None
    if row["wanted"] is not None:
        lacking = tuple(Shortfall(*each) for each in row["lacking"] or ())
        waiting = Request(row["wanted_generation"], row["wanted"], row["since"], lacking)
    return Admission(row["admitted_generation"], row["claims"], waiting)


def _rollout_of(row: Row) -> Rollout | None:
    if row["rollout_generation"] is None:
        return None
    return Rollout(
        generation=row["rollout_generation"],
        started_at=row["started_at"],
        revision=row["revision"],
        ready_at=row["ready_at"],
        outcome=row["outcome"],
        reason=row["reason"],
        failure=row["failure"],
    )


def retained_of(row: Row) -> Retained:
    return Retained(
        uid=row["uid"],
        engine_name=row["engine_name"],
        organization=row["organization"],
        expires_at=row["expires_at"],
        label_uid=row["label_uid"],
        purged_by=row["purged_by"],
    )


def event_of(row: Row) -> Event:
    return Event(
        uid="" if row["uid"] == NO_UID else row["uid"],
        key=key_of(row),
        type=row["type"],
        reason=row["reason"],
        message=row["message"],
        at=row["at"],
        count=row["count"],
        first_at=row["first_at"],
    )


def revision_of(row: Row) -> Revision:
    return Revision(
        generation=row["generation"],
        spec=row["spec"],
        at=row["at"],
        by=row["by"],
        accepted=row["accepted"],
        outcome=row["outcome"],
        was_ready=bool(row["was_ready"]),
    )


def held_of(row: Row) -> Held:
    return Held(
        id=row["id"],
        source=row["source"],
        items=tuple(row["items"]),
        total=row["total"],
        state=row["state"],
        at=row["at"],
        fingerprint=row["fingerprint"],
    )
