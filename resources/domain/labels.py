"""The same routing as Docker labels, for an operator who runs his own Traefik with the Docker
provider: what ``skyctl get domain/NAME --labels`` prints, and what goes onto containers where the
platform publishes by labels.

A document of routers and middlewares is flattened, so both ways say the same. What labels cannot
carry is left out: a custom certificate (put it into that Traefik's own files), and secret values,
of which a placeholder is shown, since everybody who may inspect a container reads its labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from resources.routing.document import Document

SECRET = "(secret)"


def labels(
    document: Document,
    backend: str,
    port: int,
    *,
    sticky: bool = False,
    network: str = "",
    generation: str = "",
) -> dict[str, str]:
    """backend: as the document's routers name it. port: of the container. network: on which
    Traefik reaches it. generation: put into every name, so that two containers with unequal labels
    never define the same router twice, which would make Traefik drop it."""
    names = _names(document, backend, generation)
    found = {"traefik.enable": "true"}
    if network:
        found["traefik.docker.network"] = network
    http = document.content["http"]
    for kind in ("routers", "middlewares"):
        for name, definition in sorted(http[kind].items()):
            place = f"traefik.http.{kind}.{names[name]}"
            found.update(_flat(place, _renamed(definition, names)))
    service = f"traefik.http.services.{names[backend]}.loadbalancer"
    found[f"{service}.server.port"] = str(port)
    if sticky:
        found[f"{service}.sticky.cookie"] = "true"
    return found


def _names(document: Document, backend: str, generation: str) -> dict[str, str]:
    http = document.content["http"]
    known = (*http["routers"], *http["middlewares"], backend)
    return {name: f"{name}-{generation}" if generation else name for name in known}


def _renamed(definition: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    found = dict(definition)
    if "service" in found:
        found["service"] = names[found["service"]]
    if "middlewares" in found:
        found["middlewares"] = [names[name] for name in found["middlewares"]]
    if "basicAuth" in found:
        users = [user + SECRET for user in found["basicAuth"]["users"]]
        found["basicAuth"] = {**found["basicAuth"], "users": users}
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
