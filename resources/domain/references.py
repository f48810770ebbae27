"""What a Domain refers to: its Service, the Secrets of its middlewares and certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from resources.context import Context
from resources.domain import problems
from resources.domain.routing import CERTIFICATE, PRIVATE_KEY
from resources.domain.spec import DomainSpec
from resources.errors import UserError
from resources.finding import Path
from resources.meta import Entry, Key
from resources.sealed import Sealed
from resources.secret.in_force import in_force
from resources.secret.problems import key_missing
from resources.service.problems import missing, secret_key_missing, secret_missing, secret_not_ready
from resources.world import Scope

_AUTH: Path = ("spec", "middlewares", "basicAuth", "secret")
_TLS: Path = ("spec", "tls", "secret")


def refs(key: Key, spec: DomainSpec | None) -> tuple[Key, ...]:
    organization = Key("Organization", "", key.organization)
    if spec is None:
        return (organization,)
    return (
        organization,
        Key("Service", key.organization, spec.service),
        *(Key("Secret", key.organization, name) for name in spec.secrets),
    )


def scope(entry: Entry, spec: Any, references: Mapping[Key, Entry | None]) -> Scope:
    """What is published and served for us, and of our Services' backends."""
    services = [e.resource.uid for key, e in references.items() if e and key.kind == "Service"]
    return Scope(routes_of=frozenset((entry.resource.uid, *services)))


def unresolved(context: Context, spec: DomainSpec) -> UserError | None:
    """The first Service, Secret or value that is not there."""
    if context.ref("Service", spec.service) is None:
        return missing(context, "Service", spec.service, "spec.service")
    for path, name, keys in _needed(spec):
        entry = context.ref("Secret", name)
        if entry is None:
            return secret_missing(context, name, path)
        known = in_force(entry)
        if known is None:
            return secret_not_ready(entry, path)
        if not keys and not known:
            return problems.no_users(name)
        for key in keys:
            if key not in known:
                return secret_key_missing(name, key, known, path)
    return None


def closed(context: Context, spec: DomainSpec) -> UserError | None:
    """The first value that is sealed for a key that we do not have."""
    for path, name, keys in _needed(spec):
        for key, value in sorted(_known(context, name).items()):
            if (not keys or key in keys) and value.key_id not in context.platform.sealing_keys:
                return key_missing(path, value.key_id)
    return None


def ready(context: Context, spec: DomainSpec) -> bool:
    """Are the values there that labels are made of? (A custom certificate cannot be in them.)"""
    auth = spec.middlewares.basic_auth
    known = _known(context, auth.secret) if auth is not None else None
    keys = context.platform.sealing_keys
    return known is None or (bool(known) and all(v.key_id in keys for v in known.values()))


def values(context: Context, spec: DomainSpec) -> dict[str, Mapping[str, Sealed]]:
    """By Secret, what is in force of it."""
    return {name: _known(context, name) for name in spec.secrets}


def _known(context: Context, name: str) -> Mapping[str, Sealed]:
    entry = context.ref("Secret", name)
    return (in_force(entry) if entry is not None else None) or {}


def _needed(spec: DomainSpec) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """(where, Secret, keys that it must have); none: every key that it has."""
    if (auth := spec.middlewares.basic_auth) is not None:
        yield _AUTH, auth.secret, ()
    if spec.tls.secret is not None:
        yield _TLS, spec.tls.secret, (CERTIFICATE, PRIVATE_KEY)
