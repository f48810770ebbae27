"""What can stand in the way of a Volume, and what to do about it."""

from __future__ import annotations

from resources.errors import UserError
from resources.labels import L_PHANTOM, L_UID, is_ours
from resources.meta import Key
from resources.observed import Volume

LOST = "STORAGE_VOLUME_LOST"
NOT_FOUND = "RESOURCE_NOT_FOUND"
CONFLICT = "RESOURCE_CONFLICT"


def lost(key: Key, engine_name: str, found: Volume | None) -> UserError:
    """The alarm: data that once existed is not there. found: what stands in its place."""
    return UserError(
        LOST,
        f"the data of volume {key.name} is lost: {engine_name} {whereabouts(found)}",
        details={"volume": engine_name, "found": None if found is None else dict(found.labels)},
        suggestions=[
            "restore a backup",
            f"delete the Volume {key.name} and create it anew to start empty",
        ],
    )


def whereabouts(found: Volume | None) -> str:
    """Of data that is lost."""
    if found is None:
        return "is no longer on the engine"
    if L_PHANTOM in found.labels:
        return "is gone; the engine made an empty one of that name"
    return "is gone; another volume of that name is there"


def in_the_way(found: Volume, instance: str) -> UserError:
    ours = is_ours(found.labels, instance)
    whose = (
        f"belongs to another resource ({found.labels.get(L_UID, 'without a uid')})"
        if ours
        else "is not ours"
    )
    return UserError(
        CONFLICT,
        f"volume {found.name} exists on the engine and {whose}",
        details={"volume": found.name},
        suggestions=[
            f"docker volume inspect {found.name}: see whose it is",
            "remove it, if nobody needs its data; it is left untouched meanwhile",
        ],
    )


def nothing_retained(key: Key, uid: str) -> UserError:
    """Also for one of another organization: whether that exists is nobody else's business."""
    return UserError(
        NOT_FOUND,
        f"organization {key.organization} has no retained volume {uid}",
        details={"kind": "RetainedVolume", "uid": uid},
        suggestions=[
            "look it up in skyctl.retained_volumes",
            "remove spec.adopt to start with an empty volume",
        ],
    )


def adopted_too_late(key: Key, uid: str) -> UserError:
    return UserError(
        CONFLICT,
        f"volume {key.name} has data of its own already and cannot adopt {uid}",
        details={"pointer": "/spec/adopt", "uid": uid},
        suggestions=["remove spec.adopt", "create another Volume that adopts it"],
    )
