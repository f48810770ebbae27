"""A document of routers and middlewares as Docker labels: what containers carry where the platform
publishes by labels, and what ``skyctl get domain/NAME --labels`` prints.

Traefik drops a name that two containers define unequally, so a name says what it stands for: those
of routers and middlewares end in a digest of all of them, that of a backend in a digest of its own
definition. Two generations then differ in names, or are equal; and while the port is the same, the
routers of both lead to all replicas, old and new. Of two that match alike, that of the newer
declaration wins.

What labels cannot carry is left out: a custom certificate (put it into that Traefik's own files).
Secret values are opened when a container is made, and shown nowhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from resources.routing.document import Document
from resources.routing.rules import PATIENT, STICKY
from resources.sealed import Sealed

SECRET = "(secret)"
_DIGITS, _FEW = 8, 4
_GENERATIONS = 10**9
"""By so much priorities are spread, to make room for the generation; in all they stay below 2**53,
so whoever reads them as floating-point numbers reads them exactly."""


class TraefikService(NamedTuple):
    """A backend of a Service, as labels tell Traefik of it. name: as documents call it. port: of
    the container."""

    name: str
    port: int
    sticky: bool = False

    @property
    def definition(self) -> dict[str, Any]:
        balancer: dict[str, Any] = {"server": {"port": self.port}}
        return {**balancer, "sticky": STICKY} if self.sticky else balancer

    @property
    def label(self) -> str:
        """Its name among the labels."""
        return f"{self.name}-{_digest(self.definition)[:_FEW]}"


@dataclass(frozen=True, slots=True)
class Labels:
    """plain: by name. sealed: labels whose value is made of these when a container is made, a line
    for each user. digest: of all of it; every name of a router or middleware ends in it. service:
    where its routers lead."""

    service: TraefikService
    digest: str
    plain: Mapping[str, str]
    sealed: Mapping[str, tuple[Sealed, ...]] = field(default_factory=dict)

    def shown(self) -> dict[str, str]:
        """With a placeholder for what is secret."""
        users = {name: ",".join(f"{s.key}:{SECRET}" for s in v) for name, v in self.sealed.items()}
        return {**self.plain, **users}


def labels(document: Document, service: TraefikService, generation: int = 0) -> Labels:
    """service: of the document's routers. generation: of what is declared."""
    http = _fitted(document.content["http"], generation)
    secrets = {p: s for p, s in document.secrets.items() if p.startswith("/http/")}
    boxes = sorted((pointer, sealed.fingerprint) for pointer, sealed in secrets.items())
    digest = _digest([http, boxes, service.label])[:_DIGITS]
    names = {name: f"{name}-{digest}" for kind in http.values() for name in kind}
    names[service.name] = service.label
    plain: dict[str, str] = {}
    for kind, parts in sorted(http.items()):
        for name, definition in sorted(parts.items()):
            place = f"traefik.http.{kind}.{names[name]}"
            plain.update(_flat(place, _renamed(definition, names)))
    plain.update(_flat(f"traefik.http.services.{service.label}.loadbalancer", service.definition))
    users: dict[str, tuple[Sealed, ...]] = {}
    for pointer, sealed in sorted(secrets.items(), key=lambda item: _order(item[0])):
        name = f"traefik.http.middlewares.{names[pointer.split('/')[3]]}.basicauth.users"
        plain.pop(name, None)
        users[name] = (*users.get(name, ()), sealed)
    return Labels(service, digest, plain, users)


def _order(pointer: str) -> tuple[str, int]:
    place, _, index = pointer.rpartition("/")
    return place, int(index)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fitted(http: Mapping[str, Any], generation: int) -> dict[str, dict[str, Any]]:
    """As it has to be where containers come and go by themselves."""
    newer = min(generation, _GENERATIONS - 1)
    return {
        "routers": {
            name: {**router, "priority": router["priority"] * _GENERATIONS + newer}
            for name, router in http["routers"].items()
        },
        "middlewares": {
            name: _expressed(definition) for name, definition in http["middlewares"].items()
        },
    }


def _expressed(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A list is divided at its commas, so a prefix with one is written as a pattern."""
    match definition:
        case {"retry": _}:
            return {"retry": dict(PATIENT)}
        case {"stripPrefix": {"prefixes": prefixes}} if "," in "".join(prefixes):
            patterns = [f"^{re.escape(prefix)}".replace(",", r"\x2c") for prefix in prefixes]
            return {"stripPrefixRegex": {"regex": patterns}}
    return dict(definition)


def _renamed(definition: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    found = dict(definition)
    if "service" in found:
        found["service"] = names[found["service"]]
    if "middlewares" in found:
        found["middlewares"] = [names[name] for name in found["middlewares"]]
    return found


def _flat(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Lists of words are joined, lists of maps are numbered, an empty map is ``true``."""
    if isinstance(value, Mapping):
        if not value:
            yield place, "true"
        for name, inner in value.items():
            yield from _flat(f"{place}.{name if _free(place) else name.lower()}", inner)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for index, inner in enumerate(value):
            yield from _flat(f"{place}[{index}]", inner)
    elif isinstance(value, list):
        yield place, ",".join(map(str, value))
    else:
        yield place, str(value).lower() if isinstance(value, bool) else str(value)


def _free(place: str) -> bool:
    """Below it stand names that people chose."""
    return place.endswith(("customrequestheaders", "customresponseheaders"))
