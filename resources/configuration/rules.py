"""What must hold across the fields of a CaasConfiguration. Each rule complains at the field to
change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.service.complaints import Complaints

if TYPE_CHECKING:
    from resources.configuration.spec import CaasConfigurationSpec


def check(spec: CaasConfigurationSpec) -> None:
    """Raises ValidationError with every fault found, each at its place."""
    complaints = Complaints()
    for rule in (_engine, _publishing, _authority, _challenge, _host_ports, _prefix):
        rule(spec, complaints)
    complaints.finish("CaasConfiguration")


def _engine(spec: CaasConfigurationSpec, complaints: Complaints) -> None:
    docker = spec.docker
    if docker is None:
        return
    if docker.connection_type == "socket":
        for name, value in (("apiUrl", docker.api_url), ("tlsSecret", docker.tls_secret)):
            if value is not None:
                complaints.add(("docker", name), "belongs to connectionType tcp", value)
    elif docker.socket_path is not None:
        complaints.add(
            ("docker", "socketPath"), "belongs to connectionType socket", docker.socket_path
        )
    elif docker.api_url is None:
        complaints.add(
            ("docker", "apiUrl"), "is required with connectionType tcp: like tcp://10.0.0.7:2376"
        )


def _publishing(spec: CaasConfigurationSpec, complaints: Complaints) -> None:
    ingress = spec.ingress
    if ingress.publish == "labels" and ingress.mode in ("process", "container"):
        complaints.add(
            ("ingress", "mode"),
            "with publish: labels Traefik is your own: write external, or leave mode out",
            ingress.mode,
        )


def _authority(spec: CaasConfigurationSpec, complaints: Complaints) -> None:
    if spec.ingress.ssl_provider == "custom" and spec.ingress.acme.document():
        complaints.add(
            ("ingress", "acme"), "belongs to sslProvider letsencrypt: with custom none is ordered"
        )


def _challenge(spec: CaasConfigurationSpec, complaints: Complaints) -> None:
    acme = spec.ingress.acme
    if acme.challenge == "dns" and acme.dns_provider is None and acme.dns_secret is None:
        complaints.add(
            ("ingress", "acme", "dnsProvider"),
            "is required with challenge dns: Traefik's name of the provider, like cloudflare",
        )
    if acme.challenge != "dns":
        for name, value in (("dnsProvider", acme.dns_provider), ("dnsSecret", acme.dns_secret)):
            if value is not None:
                complaints.add(("ingress", "acme", name), "belongs to challenge dns", value)


def _host_ports(spec: CaasConfigurationSpec, complaints: Complaints) -> None:
    if spec.host_ports.allow and spec.host_ports.range is None:
        complaints.add(("hostPorts", "range"), "is required with allow: true, like 30000-30999")


def _prefix(spec: CaasConfigurationSpec, complaints: Complaints) -> None:
    pool = spec.network_pool
    if pool.cidr is not None and pool.prefix is not None:
        length = int(pool.cidr.rpartition("/")[2])
        if pool.prefix < length:
            complaints.add(
                ("networkPool", "prefix"), f"is larger than the whole pool {pool.cidr}", pool.prefix
            )
