"""What a service takes from Secrets: what its containers are made with, and what pulls its image.

Values stay sealed here. Those that containers are made with count for the revision; those that
only pull an image do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resources.context import Context
from resources.errors import UserError
from resources.finding import Path
from resources.meta import Entry, Key
from resources.sealed import Sealed, SealedCredentials
from resources.secret.in_force import in_force
from resources.secret.problems import key_missing
from resources.service import problems
from resources.service.spec import ServiceSpec
from resources.spec import SecretRef

USERNAME, PASSWORD = "username", "password"
"""The keys of a Secret that an image is pulled with."""


def values(key: Key, spec: ServiceSpec, refs: Mapping[Key, Entry | None]) -> tuple[Sealed, ...]:
    """What containers are made with, as far as it is in force; sorted."""
    found: list[Sealed] = []
    for value in spec.secret_values:
        entry = refs.get(Key("Secret", key.organization, value.secret))
        known = in_force(entry) if entry is not None else None
        if known is not None and value.key in known:
            found.append(known[value.key])
    return tuple(found)


def credentials(
    key: Key, spec: ServiceSpec, refs: Mapping[Key, Entry | None]
) -> SealedCredentials | None:
    """What the image is pulled with. None: nothing is declared, or it is not in force."""
    if spec.image_pull_secret is None:
        return None
    entry = refs.get(Key("Secret", key.organization, spec.image_pull_secret))
    known = (in_force(entry) if entry is not None else None) or {}
    if USERNAME not in known or PASSWORD not in known:
        return None
    return SealedCredentials(known[USERNAME], known[PASSWORD])


def unresolved(context: Context, spec: ServiceSpec) -> UserError | None:
    """The first value that cannot be had: without it no container can be made."""
    for path, field, name, key in _places(spec):
        entry = context.ref("Secret", name)
        if entry is None:
            return problems.secret_missing(context, name, (*path, field) if field else path)
        known = in_force(entry)
        if known is None:
            return problems.secret_not_ready(entry, path)
        if key not in known:
            return problems.secret_key_missing(name, key, known, (*path, "key") if field else path)
    return None


def closed(context: Context, spec: ServiceSpec) -> UserError | None:
    """The first value that is there, but sealed for a key that we do not have. It stands in the
    way of new containers, not of the declaration."""
    for path, _, name, key in _places(spec):
        entry = context.ref("Secret", name)
        value = ((in_force(entry) if entry is not None else None) or {}).get(key)
        if value is not None and value.key_id not in context.platform.sealing_keys:
            return key_missing(path, value.key_id)
    return None


def _places(spec: ServiceSpec) -> Iterator[tuple[Path, str, str, str]]:
    """(where, the field there that names the Secret, Secret, key)."""
    for name, value in spec.environment.items():
        if isinstance(value, SecretRef):
            yield ("spec", "environment", name), "secret", value.secret, value.key
    for index, file in enumerate(spec.files):
        if file.secret is not None and file.key is not None:
            yield ("spec", "files", index), "secret", file.secret, file.key
    if spec.image_pull_secret is not None:
        for key in (USERNAME, PASSWORD):
            yield ("spec", "imagePullSecret"), "", spec.image_pull_secret, key
