"""What a CaasConfiguration's spec comes to on this machine: settings, and files of its Secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.engine.docker.endpoint import endpoint_from
from controller.private_file import private_directory, write_private
from resources.configuration.plan import PROVIDER, TLS_KEYS
from resources.configuration.spec import Acme, CaasConfigurationSpec, Docker
from resources.errors import UserError
from resources.sealed import Sealed

DOCKER_HOST = "DOCKER_HOST"

_SETTINGS: Mapping[tuple[str, ...], str] = {
    ("ingress", "mode"): "ingress",
    ("ingress", "publish"): "ingress_publish",
    ("ingress", "image"): "ingress_image",
    ("ingress", "httpPort"): "http_port",
    ("ingress", "httpsPort"): "https_port",
    ("ingress", "defaultDomain"): "default_domain",
    ("ingress", "acme", "email"): "acme_email",
    ("ingress", "acme", "server"): "acme_server",
    ("ingress", "acme", "challenge"): "acme_challenge",
    ("ingress", "acme", "dnsProvider"): "acme_dns_provider",
    ("ingress", "external", "apis"): "ingress_apis",
    ("ingress", "listen"): "ingress_listen",
    ("domains", "verification"): "domain_verification",
    ("domains", "resolvers"): "domain_resolvers",
    ("domains", "addresses"): "domain_addresses",
    ("networkPool", "cidr"): "network_pool",
    ("networkPool", "prefix"): "network_prefix",
    ("hostPorts", "range"): "host_ports",
    ("imagePolicy", "command"): "image_policy",
    ("imagePolicy", "timeout"): "image_policy_timeout",
    ("massChange", "maxPercent"): "mass_change_percent",
    ("massChange", "minimum"): "mass_change_minimum",
}
"""Which setting a field of the spec is."""


@dataclass(frozen=True, slots=True)
class Field:
    """One that the spec says. value: as the setting wants it."""

    path: tuple[str, ...]
    value: Any

    @property
    def setting(self) -> str:
        return _SETTINGS[self.path]

    @property
    def variable(self) -> str:
        return f"SKYCTL_{self.setting.upper()}"

    @property
    def pointer(self) -> str:
        return "/spec/" + "/".join(self.path)


def declared(spec: CaasConfigurationSpec) -> list[Field]:
    """What it says of settings."""
    document = spec.document()
    if not spec.host_ports.allow:
        del document["hostPorts"]
    found = (Field(path, _at(document, path)) for path in _SETTINGS)
    return [each for each in found if each.value not in (None, "")]


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        document = document.get(part) if isinstance(document, Mapping) else None
    return ",".join(document) if isinstance(document, list) else document


@dataclass(frozen=True, slots=True)
class Named:
    """The Secrets that it names, each with its sealed values by key."""

    sealed: Mapping[str, Mapping[str, Sealed]]
    open_: Callable[[Sealed], str]

    @property
    def marks(self) -> tuple[str, ...]:
        """Other ones when a value is written anew; they tell nothing about it."""
        return tuple(
            value.fingerprint
            for _, values in sorted(self.sealed.items())
            for _, value in sorted(values.items())
        )

    def values(self, name: str) -> dict[str, str]:
        """In the clear. Raises UserError."""
        return {key: self.open_(value) for key, value in self.sealed[name].items()}


@dataclass(frozen=True, slots=True)
class DockerAccess:
    """host: the engine's address; '' is that of the environment, or the usual socket.
    certificates: a folder with ca.pem, cert.pem and key.pem; None: not by TLS."""

    host: str = ""
    certificates: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """As DOCKER_* say it."""
        found = {DOCKER_HOST: self.host} if self.host else {}
        if self.certificates is not None:
            found |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.certificates)}
        return found


ENVIRONMENT = DockerAccess()


async def engine(docker: Docker, named: Named, state_dir: Path) -> DockerAccess:
    """Raises UserError where it cannot be used."""
    if docker.connection_type == "socket":
        return DockerAccess(f"unix://{docker.socket_path}" if docker.socket_path else "")
    folder = None
    if docker.tls_secret is not None:
        folder = state_dir / "engine-tls"
        values = named.values(docker.tls_secret)
        await _keep(folder, {key: values.get(key, "") for key in TLS_KEYS})
    access = DockerAccess(docker.api_url or "", folder)
    endpoint_from(access.host, {}, tls=folder is not None, certificates=folder).ssl_context()
    return access


async def variables(acme: Acme, named: Named, folder: Path) -> dict[str, Any]:
    """The settings for DNS-01 that come of its Secret. Raises UserError."""
    if acme.dns_secret is None:
        return {}
    values = named.values(acme.dns_secret)
    provider = values.pop(PROVIDER, "")
    for key, value in values.items():
        if not value.isprintable():
            raise UserError(
                "CONFIGURATION_INVALID",
                f"Secret {acme.dns_secret}: {key} is for an environment, so it must be one line",
                suggestions=["write it without line breaks"],
            )
    text = "".join(f"{key}={value}\n" for key, value in sorted(values.items()))
    name = "acme-environment"
    await _keep(folder, {name: text})
    found: dict[str, Any] = {"acme_environment_file": folder / name}
    return found if acme.dns_provider else found | {"acme_dns_provider": provider}


async def _keep(folder: Path, files: Mapping[str, str]) -> None:
    def write() -> None:
        private_directory(folder)
        for name, text in files.items():
            path = folder / name
            if not path.exists() or path.read_bytes() != text.encode():
                write_private(path, text.encode())

    try:
        await asyncio.to_thread(write)
    except OSError as error:
        raise UserError(
            "CONFIGURATION_STATE_UNWRITABLE",
            f"what Secrets hold cannot be kept in {folder}: {error.strerror}",
            suggestions=["check the permissions of the state directory, and its space"],
        ) from error
