"""The name that an app has without a Domain: ``<service>.<organization>.<defaultDomain>``.

Its Service publishes the routers beside its backends. A Domain of that very name wins over them.
No certificate is ordered for each such name, since authorities count them all against the one
domain: there is one for all names of an organization where wildcards can be had, else none.
"""

from __future__ import annotations

from typing import Any

from resources.naming import short_uid
from resources.routing.rules import CLAIMS, RETRY, WEB, WEBSECURE, priority, rule
from resources.routing.world import Ingress


def default_name(organization: str, service: str, ingress: Ingress) -> str:
    """'' where the platform has no such names."""
    domain = ingress.default_domain
    return f"{service}.{organization}.{domain}" if domain else ""


def routing(
    organization: str, service: str, uid: str, backend: str, ingress: Ingress
) -> dict[str, Any]:
    """``routers`` and ``middlewares`` for the Service's document; {} where there is no such name.
    uid: the Service's. backend: as its document names it."""
    hostname = default_name(organization, service, ingress)
    if not hostname:
        return {}
    base = f"{organization}-{service}-{short_uid(uid)}-default"
    common = {
        "rule": rule(hostname),
        "priority": priority(hostname) - 1,
        "service": backend,
        "middlewares": [f"{base}-claims", f"{base}-retry"],
    }
    tls: dict[str, Any] = {}
    if ingress.resolver and ingress.wildcards:
        wildcard = f"*.{organization}.{ingress.default_domain}"
        tls = {"certResolver": ingress.resolver, "domains": [{"main": wildcard}]}
    return {
        "routers": {
            base: {**common, "entryPoints": [WEB]},
            f"{base}-secure": {**common, "entryPoints": [WEBSECURE], "tls": tls},
        },
        "middlewares": {
            f"{base}-claims": {"headers": CLAIMS},
            f"{base}-retry": {"retry": dict(RETRY)},
        },
    }
