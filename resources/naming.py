"""Names of our objects on the engine, and which engine volume a Volume resource means.

A name is a pure function of the resource's names and uid (or revision). ``_`` cannot occur in a
DNS label and shortened names alone hold ``__``, so no two resources share a name. Names are for
people and for the engine's uniqueness; identity is in the labels, and nothing parses a name.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from resources.meta import Entry

MAX_NAME = 63
_HASH = 10


def container_name(organization: str, service: str, ordinal: int | str, revision: str) -> str:
    """``acme_web_0_5be01d``. revision with or without its ``v1:``; ordinal may be a role."""
    return _fit("", f"{organization}_{service}", f"_{ordinal}_{revision.rpartition(':')[2][:6]}")


def network_name(organization: str, uid: str) -> str:
    """``skypanel_acme_3f2a9c01``, by the Organization's uid."""
    return _fit("skypanel_", organization, f"_{short_uid(uid)}")


def volume_name(organization: str, volume: str, uid: str) -> str:
    """``skypanel_acme_data_3f2a9c01``, by the Volume's uid."""
    return _fit("skypanel_", f"{organization}_{volume}", f"_{short_uid(uid)}")


def routes_name(kind: str, organization: str, name: str, uid: str) -> str:
    """``service_acme_web_3f2a9c01``: what a resource publishes to the proxies, by its uid."""
    return _fit(f"{kind}_", f"{organization}_{name}", f"_{short_uid(uid)}")


def bridge_name(uid: str) -> str:
    """``sky`` and ten digits of the uid: an interface name has 15 characters at most."""
    return f"sky{uid.replace('-', '')[:10]}"


def short_uid(uid: str) -> str:
    return uid.replace("-", "")[:8]


class VolumeIdentity(NamedTuple):
    """engine_name: the engine's volume. uid: the ``io.skypanel.uid`` that it carries, which is
    another resource's when its data was adopted (labels of volumes never change)."""

    engine_name: str
    uid: str


def volume_identity(entry: Entry) -> VolumeIdentity:
    """Of a Volume's row: as recorded, else as it will be made."""
    resource, record = entry.resource, entry.record
    return VolumeIdentity(
        record.volume_name
        or volume_name(resource.key.organization, resource.key.name, resource.uid),
        record.volume_label_uid or resource.uid,
    )


def _fit(prefix: str, middle: str, suffix: str) -> str:
    """At most 63 characters: past that the middle keeps its ends, around a hash of the whole."""
    whole = prefix + middle + suffix
    if len(whole) <= MAX_NAME:
        return whole
    digest = hashlib.sha256(middle.encode()).hexdigest()[:_HASH]
    room = MAX_NAME - len(prefix) - len(suffix) - len(digest) - 4
    head, tail = (room + 1) // 2, room // 2
    return f"{prefix}{middle[:head]}__{digest}__{middle[len(middle) - tail :]}{suffix}"
