"""Traefik's static configuration, a pure function of the settings and of one start's details.

Our own API asks for a token: the route to it is part of the constant document, beside the routes of
tenants, on an entry point of its own that listens on the loopback alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.ingress import access_log
from controller.settings import Settings, listed
from resources.routing.rules import rule

WEB, WEBSECURE, API = "web", "websecure", "skyctl"
RESOLVER = "letsencrypt"
THROTTLE = "100ms"
"""Traefik's default of 2 s delays the second of two changes by that much."""
LOG_MEGABYTES, LOG_FILES = 10, 3
QUANTILES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Start:
    """home: where routes, logs and certificates are. api_port: on the loopback. log: of what it
    says; access_log: of requests."""

    home: Path
    api_port: int

    @property
    def routes(self) -> Path:
        return self.home / "routes"


def has_resolver(settings: Settings) -> bool:
    return bool(settings.acme_email or settings.acme_server)


def static(settings: Settings, start: Start) -> dict[str, Any]:
    """As Traefik's file of static configuration has it."""
    home = start.home
    whole: dict[str, Any] = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "api": {"dashboard": False, "debug": False, "insecure": False},
        "entryPoints": {
            WEB: _entry_point(settings, settings.http_port),
            WEBSECURE: _entry_point(settings, settings.https_port),
            API: {"address": f"127.0.0.1:{start.api_port}"},
        },
        "providers": {
            "providersThrottleDuration": THROTTLE,
            "file": {"directory": str(start.routes), "watch": True},
        },
        "serversTransport": {
            "forwardingTimeouts": {
                "dialTimeout": _go(settings.ingress_dial_timeout),
                "idleConnTimeout": _go(settings.ingress_idle_timeout),
            }
        },
        "metrics": {
            "prometheus": {
                "manualRouting": True,
                "addEntryPointsLabels": True,
                "addRoutersLabels": True,
                "addServicesLabels": True,
                "buckets": list(QUANTILES),
            }
        },
        "log": {"level": settings.ingress_log_level.upper(), **_file(home / "traefik.log")},
    }
    if settings.ingress_access_log:
        whole["accessLog"] = access_log.configuration(settings, home)
    if has_resolver(settings):
        whole["certificatesResolvers"] = {RESOLVER: {"acme": _acme(settings, home)}}
    return whole


def constant(token: str, ordered: Iterable[str] = ()) -> dict[str, Any]:
    """The document that is always published: what opens the API and the metrics to us. It is also
    what keeps the configuration from being empty, which Traefik would ignore. ordered: hostnames
    for which Traefik orders a certificate as soon as it sees this."""
    bearer = f"Header(`Authorization`, `Bearer {token}`)"
    return {
        "http": {
            "routers": {
                "skyctl-api": {
                    "entryPoints": [API],
                    "rule": f"{bearer} && PathPrefix(`/api`)",
                    "service": "api@internal",
                },
                "skyctl-metrics": {
                    "entryPoints": [API],
                    "rule": f"{bearer} && Path(`/metrics`)",
                    "service": "prometheus@internal",
                },
                **{f"skyctl-order-{n}": _order(h) for n, h in enumerate(sorted(ordered))},
            },
        }
    }


def _order(hostname: str) -> dict[str, Any]:
    """A router of its own for each: of several names in one, Traefik drops those that a wildcard
    among them covers. Nobody gets to it."""
    return {
        "entryPoints": [WEBSECURE],
        "rule": f"{rule(hostname)} && Path(`/.well-known/skyctl-order`)",
        "priority": 1,
        "service": "noop@internal",
        "tls": {"certResolver": RESOLVER, "domains": [{"main": hostname}]},
    }


def remote_provider(endpoint: str, token: str) -> Mapping[str, Any]:
    """What an operator adds to the static configuration of a Traefik elsewhere."""
    return {
        "http": {
            "endpoint": endpoint,
            "pollInterval": "1s",
            "pollTimeout": "5s",
            "headers": {"Authorization": f"Bearer {token}"},
        }
    }


def _entry_point(settings: Settings, port: int) -> dict[str, Any]:
    """reusePort: one that takes the place of another listens before the other goes."""
    address = settings.ingress_address
    host = f"[{address}]" if ":" in address else address
    aliases = settings.ingress_alias_headers
    return {
        "address": f"{host}:{port}",
        **({"http": {"aliasHeadersStrategy": aliases}} if aliases else {}),
        "asDefault": True,
        "reusePort": True,
        "transport": {"lifeCycle": {"graceTimeOut": _go(settings.ingress_grace)}},
    }


def _acme(settings: Settings, home: Path) -> dict[str, Any]:
    acme: dict[str, Any] = {"storage": str(home / "acme.json")}
    if settings.acme_email:
        acme["email"] = settings.acme_email
    if settings.acme_server:
        acme["caServer"] = settings.acme_server
    if settings.acme_ca_file is not None:
        acme["caCertificates"] = [str(settings.acme_ca_file)]
    match settings.acme_challenge:
        case "http":
            acme["httpChallenge"] = {"entryPoint": WEB}
        case "tls":
            acme["tlsChallenge"] = {}
        case "dns":
            dns: dict[str, Any] = {"provider": settings.acme_dns_provider}
            if settings.domain_resolvers:
                dns["resolvers"] = list(listed(settings.domain_resolvers))
            if not settings.acme_dns_check:
                dns["propagation"] = {"disableChecks": True}
            acme["dnsChallenge"] = dns
    return acme


def _file(path: Path) -> dict[str, Any]:
    """Traefik turns its log over by itself, so it does while no controller runs."""
    return {"filePath": str(path), "maxSize": LOG_MEGABYTES, "maxBackups": LOG_FILES}


def _go(seconds: float) -> str:
    """A duration as Go writes it."""
    return f"{round(seconds * 1000)}ms"
