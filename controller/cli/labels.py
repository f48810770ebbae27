"""``skyctl get domain/NAME --labels``: a Domain's routing as Docker labels.

For an operator who runs his own Traefik with the Docker provider, by its usual names: entry points
``web`` and ``websecure``, resolver ``letsencrypt``. Secret values are not in it.
"""

from __future__ import annotations

from typing import Any

from controller.cli.client import Client
from controller.cli.failure import Misuse
from controller.cli.options import OutputFormat, Reference
from controller.cli.output import Document, print_data
from resources.domain import DomainSpec
from resources.domain.backends import wanted
from resources.domain.container_labels import inexpressible
from resources.domain.labels import TraefikService, labels
from resources.domain.problems import no_port
from resources.domain.routing import Route, render
from resources.meta import Key
from resources.registry import lookup
from resources.routing.document import backend_name
from resources.routing.routes_label import ENABLE, NETWORK
from resources.routing.world import Ingress
from resources.sealed import Sealed
from resources.service.spec import ServiceSpec
from resources.validate import validate

USUAL = Ingress(mode="external", publish="labels", resolver="letsencrypt", wildcards=True)


def print_labels(
    client: Client, references: list[Reference], where: str | None, form: OutputFormat
) -> None:
    """One Domain's; ``NAME=VALUE`` lines unless JSON or YAML is asked for. Raises UserError."""
    found = read_labels(client, _only(references), where)
    if form in ("json", "yaml"):
        print_data(found, form)
        return
    for name, value in found.items():
        print(f"{name}={value}")


def _only(references: list[Reference]) -> str:
    match references:
        case [Reference(kind, str() as name)] if (known := lookup(kind)) and known.name == "Domain":
            return name
        case _:
            raise Misuse("--labels is of one Domain", "skyctl get domain/NAME --labels")


def read_labels(client: Client, name: str, where: str | None) -> dict[str, str]:
    document = client.get(f"/resources/domain/{name}", organization=where)
    organization = document["metadata"]["organization"]
    spec = validate("Domain", document["spec"])
    assert isinstance(spec, DomainSpec)
    service = client.get(f"/resources/service/{spec.service}", organization=organization)
    declared = validate("Service", service["spec"])
    assert isinstance(declared, ServiceSpec)
    if (problem := inexpressible(spec, USUAL)) is not None:
        raise problem
    backend = wanted(spec, declared)
    if backend is None:
        raise no_port(spec)
    meta = service["metadata"]
    named = backend_name(
        organization, meta["name"], meta["uid"], backend.port, sticky=backend.sticky
    )
    secrets = {name: _values(client, organization, name) for name in spec.secrets}
    key = Key("Domain", organization, name)
    route = Route(key, document["metadata"]["uid"], spec, named, secrets)
    traefik = TraefikService(named, backend.port, backend.sticky)
    rendered = render(route, USUAL, asking=True)
    made = labels(rendered, traefik, document["metadata"].get("generation", 0))
    network = _network(client.get(f"/resources/organization/{organization}"))
    return {ENABLE: "true", **({NETWORK: network} if network else {}), **made.shown()}


def _values(client: Client, organization: str, secret: str) -> dict[str, Sealed]:
    """The keys alone; nothing is opened here.."""
    found = client.get(f"/resources/secret/{secret}", organization=organization)
    keys = [each["key"] for each in (found.get("status") or {}).get("keys") or ()]
    return {key: Sealed(organization, secret, key, "") for key in keys}


def _network(organization: Document) -> str:
    status: dict[str, Any] = organization.get("status") or {}
    return str((status.get("network") or {}).get("name") or "")
