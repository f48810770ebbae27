"""A Domain as the proxies get it: its routers, its middlewares, its own certificate.

Every value stands in a rule as one literal: hostnames and paths have no character that could end
it (``values.py``). The path's parts count as a whole, so ``/api`` is not ``/apiary``. Of all
routers that match, an exact host wins over a wildcard, then the longer path.

    web        plain HTTP, or the redirect to HTTPS
    websecure  HTTPS, where tls is enabled

Certificates are ordered elsewhere (``ingress/orders.py``): a router that asked for one would have
it ordered again at every change of anything. Where routes are labels, the router asks.

What a visitor claims in headers that programs believe is taken off first; where routes are labels
it is not, since their containers would have to be made anew for it.

Every router ends in the retry middleware: it tries another replica as long as no byte of the
request went to the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.domain.spec import DomainSpec, Redirect
from resources.hostname import is_wildcard
from resources.meta import Key
from resources.naming import short_uid
from resources.routing.document import Document
from resources.routing.rules import CLAIMS, RETRY, WEB, WEBSECURE, priority, rule
from resources.routing.world import Ingress
from resources.sealed import Sealed

CERTIFICATE, PRIVATE_KEY = "tls.crt", "tls.key"
Values = Mapping[str, Mapping[str, Sealed]]
"""By Secret, then by key: what is in force."""


@dataclass(frozen=True, slots=True)
class Route:
    """key, uid: the Domain's. backend: the name of its Service's. held: hostnames that its
    organization has proven."""

    key: Key
    uid: str
    spec: DomainSpec
    backend: str
    secrets: Values = field(default_factory=dict)
    held: frozenset[str] = frozenset()

    @property
    def base(self) -> str:
        return _base(self.key, self.uid)

    @property
    def document_name(self) -> str:
        return document_name(self.key, self.uid)


def _base(key: Key, uid: str) -> str:
    return f"{key.organization}-{key.name}-{short_uid(uid)}"


def router_names(key: Key, uid: str) -> tuple[str, ...]:
    """All that a Domain may have."""
    base = _base(key, uid)
    return base, f"{base}-redirect", f"{base}-secure"


def document_name(key: Key, uid: str) -> str:
    return f"domain_{key.organization}_{key.name}_{short_uid(uid)}"


def render(route: Route, ingress: Ingress, *, asking: bool = False) -> Document:
    """asking: the router for HTTPS asks for its certificate."""
    secrets: dict[str, Sealed] = {}
    middlewares = {} if asking else {f"{route.base}-claims": {"headers": CLAIMS}}
    middlewares |= _middlewares(route, secrets)
    routers = _routers(route, ingress, list(middlewares), asking)
    if secured := redirects(route.spec, ingress):
        middlewares[f"{route.base}-https"] = {"redirectScheme": secured}
    content: dict[str, Any] = {"http": {"routers": routers, "middlewares": middlewares}}
    if certificate := _certificate(route, secrets):
        content["tls"] = certificate
    hosts = (route.spec.hostname,)
    return Document(route.uid, route.document_name, content, secrets, hosts, route.held)


def certified(spec: DomainSpec, ingress: Ingress) -> bool:
    """Will there be a certificate that visitors trust?"""
    return spec.tls.enabled and (spec.tls.issuer == "custom" or bool(ingress.resolver))


def redirects(spec: DomainSpec, ingress: Ingress) -> dict[str, Any] | None:
    """To HTTPS; not where nobody could follow for want of a certificate, unless it is asked for."""
    wanted = spec.redirects_https and (certified(spec, ingress) or spec.redirect_https is True)
    if not wanted:
        return None
    port = {} if ingress.https_port == 443 else {"port": str(ingress.https_port)}
    return {"scheme": "https", "permanent": True, **port}


def url(spec: DomainSpec, ingress: Ingress) -> str:
    """What a visitor types."""
    secure = certified(spec, ingress)
    port = ingress.https_port if secure else ingress.http_port
    shown = "" if port == (443 if secure else 80) else f":{port}"
    return f"{'https' if secure else 'http'}://{spec.hostname}{shown}{spec.path}"


def _routers(route: Route, ingress: Ingress, chain: list[str], asking: bool) -> dict[str, Any]:
    spec, base = route.spec, route.base
    common = {
        "rule": rule(spec.hostname, spec.path),
        "priority": priority(spec.hostname, spec.path),
        "service": route.backend,
    }
    found: dict[str, Any] = {}
    if redirects(spec, ingress):
        found[f"{base}-redirect"] = {
            **common,
            "entryPoints": [WEB],
            "middlewares": [f"{base}-https"],
        }
    else:
        found[base] = {**common, "entryPoints": [WEB], "middlewares": chain}
    if spec.tls.enabled:
        found[f"{base}-secure"] = {
            **common,
            "entryPoints": [WEBSECURE],
            "middlewares": chain,
            "tls": _tls(spec, ingress) if asking else {},
        }
    return found


def _tls(spec: DomainSpec, ingress: Ingress) -> dict[str, Any]:
    """Without a resolver the proxy serves what certificate it has."""
    if spec.tls.issuer != "letsencrypt" or not ingress.resolver:
        return {}
    resolver: dict[str, Any] = {"certResolver": ingress.resolver}
    if is_wildcard(spec.hostname):
        resolver["domains"] = [{"main": spec.hostname}]
    return resolver


def _middlewares(route: Route, secrets: dict[str, Sealed]) -> dict[str, Any]:
    """In the order in which a request goes through them."""
    wanted, base = route.spec.middlewares, route.base
    found: dict[str, Any] = {}
    if wanted.ip_allow_list is not None:
        found[f"{base}-allow"] = {"ipAllowList": {"sourceRange": list(wanted.ip_allow_list)}}
    if (limit := wanted.rate_limit) is not None:
        burst = limit.average if limit.burst is None else limit.burst
        found[f"{base}-rate"] = {"rateLimit": {"average": limit.average, "burst": burst}}
    if wanted.redirect is not None:
        found[f"{base}-elsewhere"] = {"redirectRegex": _elsewhere(wanted.redirect)}
    if wanted.basic_auth is not None:
        found[f"{base}-auth"] = {"basicAuth": _auth(route, wanted.basic_auth.secret, secrets)}
    if (headers := wanted.headers) is not None:
        both = {
            "customRequestHeaders": dict(headers.request),
            "customResponseHeaders": dict(headers.response),
        }
        if rules := {name: rule for name, rule in both.items() if rule}:
            found[f"{base}-headers"] = {"headers": rules}
    if wanted.compress:
        found[f"{base}-compress"] = {"compress": {}}
    if route.spec.strip_prefix:
        found[f"{base}-strip"] = {"stripPrefix": {"prefixes": [route.spec.path]}}
    found[f"{base}-retry"] = {"retry": dict(RETRY)}
    return found


def _elsewhere(redirect: Redirect) -> dict[str, Any]:
    """``$`` is the pattern language's; doubled it is itself."""
    target = redirect.to.replace("$", "$$")
    pattern = "^.*$"
    if redirect.keeps_path:
        pattern, target = "^[a-zA-Z]+://[^/]+/?(.*)$", target.rstrip("/") + "/${1}"
    return {"regex": pattern, "replacement": target, "permanent": redirect.permanent}


def _auth(route: Route, secret: str, secrets: dict[str, Sealed]) -> dict[str, Any]:
    """One line per user, put in when it is opened."""
    values = route.secrets.get(secret, {})
    users = sorted(values)
    for index, user in enumerate(users):
        pointer = f"/http/middlewares/{route.base}-auth/basicAuth/users/{index}"
        secrets[pointer] = values[user]
    return {"users": [f"{user}:" for user in users], "removeHeader": True}


def _certificate(route: Route, secrets: dict[str, Sealed]) -> dict[str, Any] | None:
    tls = route.spec.tls
    if not tls.enabled or tls.secret is None:
        return None
    values = route.secrets.get(tls.secret, {})
    if CERTIFICATE not in values or PRIVATE_KEY not in values:
        return None
    for name, key in (("certFile", CERTIFICATE), ("keyFile", PRIVATE_KEY)):
        secrets[f"/tls/certificates/0/{name}"] = values[key]
    return {"certificates": [{"certFile": "", "keyFile": ""}]}
