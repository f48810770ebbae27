"""What a CaasConfiguration declares: how this installation runs.

Every field may be absent; then the default holds. A flag or an environment variable beats it, so
whoever starts the controller has the last word. No key material stands in it: what is secret is
named here, and lies in a Secret of the platform's own (one without an organization).
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from resources import addresses
from resources.configuration.rules import check
from resources.quantity import Period
from resources.spec import AbsolutePath, DnsLabel, Items, Line, PortNumber, Spec


def _engine_url(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme not in ("tcp", "http", "https") or not addresses.is_url(f"http://{rest}"):
        raise ValueError(f"{text!r} is no address of an engine: write it like tcp://10.0.0.7:2376")
    return text


_Address = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
EngineUrl = Annotated[_Address, AfterValidator(_engine_url)]
Url = Annotated[_Address, AfterValidator(addresses.url)]
Listener = Annotated[_Address, AfterValidator(addresses.given(addresses.listener))]
DomainName = Annotated[_Address, AfterValidator(addresses.domain)]
PortRange = Annotated[_Address, AfterValidator(addresses.given(addresses.port_range))]
Resolver = Annotated[_Address, AfterValidator(addresses.given(addresses.resolver))]
HostOrAddress = Annotated[_Address, AfterValidator(addresses.host_or_address)]


class Docker(Spec):
    """Where the engine is; DOCKER_HOST beats it."""

    connection_type: Literal["socket", "tcp"] = Field(
        "socket", description="socket: on this machine; tcp: by the network."
    )
    socket_path: AbsolutePath | None = Field(
        None, description="With socket: its path; absent: /var/run/docker.sock."
    )
    api_url: EngineUrl | None = Field(
        None, description="With tcp: its address, like 'tcp://10.0.0.7:2376'."
    )
    tls_secret: DnsLabel | None = Field(
        None,
        description="With tcp: a Secret of the platform's own with ca.pem, cert.pem and key.pem.",
    )


class Acme(Spec):
    """The certificate authority. Giving an email or a server accepts its terms."""

    email: Line | None = Field(None, description="Account with the authority.")
    server: Url | None = Field(
        None, description="Directory URL of the authority; absent: Let's Encrypt."
    )
    challenge: Literal["http", "tls", "dns"] | None = Field(
        None,
        description="HTTP-01 (the default), TLS-ALPN-01, or DNS-01, which wildcards need.",
    )
    dns_provider: Annotated[Line, Field(pattern=r"^[a-z0-9]+$")] | None = Field(
        None,
        description="With dns: Traefik's name of the DNS provider, like 'cloudflare'; absent: what "
        "dnsSecret has under 'provider'.",
    )
    dns_secret: DnsLabel | None = Field(
        None,
        description="With dns: a Secret of the platform's own; each key a variable that the "
        "provider wants in its environment, beside 'provider'.",
    )


class External(Spec):
    """Traefiks that somebody else runs."""

    apis: Annotated[Items[Url], Field(max_length=64)] = Field(
        (), description="Base URL of the API of each, like 'http://10.0.0.7:8080'."
    )


class Ingress(Spec):
    """The proxies that visitors reach."""

    mode: Literal["process", "container", "external", "none"] | None = Field(
        None,
        description="Who runs Traefik; absent: process where the engine is on this host.",
    )
    publish: Literal["provider", "labels"] | None = Field(
        None,
        description="How it learns of routes: provider (the default), or labels on the containers.",
    )
    image: Line | None = Field(None, description="Image of Traefik in mode container.")
    http_port: PortNumber | None = Field(None, description="Of entry point web; absent: 80.")
    https_port: PortNumber | None = Field(
        None, description="Of entry point websecure; absent: 443."
    )
    default_domain: DomainName | None = Field(
        None, description="An app with a tcp port answers at SERVICE.ORGANIZATION followed by this."
    )
    ssl_provider: Literal["letsencrypt", "custom"] = Field(
        "letsencrypt",
        description="letsencrypt: ordered by ACME as acme says; custom: nothing is ordered.",
    )
    acme: Acme = Field(Acme(), description="The certificate authority.")
    external: External = Field(External(), description="With mode external: whom to ask.")
    listen: Listener | None = Field(
        None, description="HOST:PORT where Traefiks elsewhere fetch the routes."
    )


class Domains(Spec):
    """How hostnames are proven."""

    verification: Literal["dns", "none"] | None = Field(
        None, description="dns (the default): by a TXT record; none: whoever is first has it."
    )
    resolvers: Annotated[Items[Resolver], Field(max_length=16)] = Field(
        (), description="DNS servers that are asked, ADDRESS or ADDRESS:PORT; none: the system's."
    )
    addresses: Annotated[Items[HostOrAddress], Field(max_length=64)] = Field(
        (), description="Addresses and names that visitors reach the proxies at."
    )


class NetworkPool(Spec):
    """Where organizations' networks are cut from. Those that are there keep theirs."""

    cidr: Annotated[str, AfterValidator(addresses.pool)] | None = Field(
        None, description="Absent: 10.128.0.0/9."
    )
    prefix: Annotated[int, Field(ge=16, le=29)] | None = Field(
        None, description="Prefix length of each network; absent: 24."
    )


class HostPorts(Spec):
    """Ports of the host that services may publish."""

    allow: bool = Field(False, description="true: those in range may be published.")
    range: PortRange | None = Field(None, description="LOW-HIGH, like '30000-30999'.")


class ImagePolicy(Spec):
    """Which images may run."""

    command: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = Field(
        None,
        description="Run on the controller's host: JSON on its stdin, a verdict on its stdout. "
        "Not taken from SQL.",
    )
    timeout: Period | None = Field(None, description="Of one verdict, like '60s'.")


class MassChange(Spec):
    """When deletions that are only inferred wait for a person."""

    max_percent: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="Percent of a source; absent: 30."
    )
    minimum: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Fewer than this many are never held; absent: 5."
    )


class CaasConfigurationSpec(Spec):
    """How this installation runs. There is one, named 'default'."""

    docker: Docker | None = Field(None, description="Where the engine is; DOCKER_HOST beats it.")
    ingress: Ingress = Field(Ingress(), description="The proxies that visitors reach.")
    domains: Domains = Field(Domains(), description="How hostnames are proven.")
    network_pool: NetworkPool = Field(
        NetworkPool(), description="Where organizations' networks are cut from."
    )
    host_ports: HostPorts = Field(
        HostPorts(), description="Ports of the host that services may publish."
    )
    image_policy: ImagePolicy = Field(ImagePolicy(), description="Which images may run.")
    mass_change: MassChange = Field(
        MassChange(), description="When deletions that are only inferred wait for a person."
    )

    @model_validator(mode="after")
    def _rules(self) -> Self:
        check(self)
        return self

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Names of the platform's Secrets that it refers to, sorted."""
        tls = self.docker.tls_secret if self.docker is not None else None
        names = {tls, self.ingress.acme.dns_secret}
        return tuple(sorted(name for name in names if name is not None))
