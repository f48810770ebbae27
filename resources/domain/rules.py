"""What must hold across the fields of a Domain. Each rule complains at the field to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.service.complaints import Complaints

if TYPE_CHECKING:
    from resources.domain.spec import DomainSpec


def check(spec: DomainSpec) -> None:
    """Raises ValidationError with every fault found, each at its place."""
    complaints = Complaints()
    for rule in (_certificate, _redirect, _prefix, _headers):
        rule(spec, complaints)
    complaints.finish("Domain")


def _certificate(spec: DomainSpec, complaints: Complaints) -> None:
    tls = spec.tls
    if not tls.enabled:
        if tls.secret is not None:
            complaints.add(("tls", "secret"), "is of no use while tls.enabled is false")
        if spec.redirect_https:
            complaints.add(("redirectHttps",), "needs tls.enabled: there is no HTTPS to go to")
    elif tls.issuer == "custom" and tls.secret is None:
        complaints.add(
            ("tls", "secret"), "is required with issuer custom: a Secret with tls.crt and tls.key"
        )
    elif tls.issuer != "custom" and tls.secret is not None:
        complaints.add(("tls", "secret"), "belongs to issuer custom", tls.secret)


def _redirect(spec: DomainSpec, complaints: Complaints) -> None:
    """To itself it would never end."""
    redirect = spec.middlewares.redirect
    if redirect is None:
        return
    host = redirect.host
    if host == spec.hostname and redirect.keeps_path and redirect.secure == spec.tls.enabled:
        complaints.add(
            ("middlewares", "redirect", "to"), "leads back to this very Domain, for ever"
        )


def _prefix(spec: DomainSpec, complaints: Complaints) -> None:
    if spec.strip_prefix and not spec.path:
        complaints.add(("stripPrefix",), "needs a pathPrefix to strip")


def _headers(spec: DomainSpec, complaints: Complaints) -> None:
    """Names differ in more than their case."""
    headers = spec.middlewares.headers
    for where in ("request", "response"):
        seen: dict[str, str] = {}
        for name in getattr(headers, where, {}):
            other = seen.setdefault(name.lower(), name)
            if other != name:
                complaints.add(
                    ("middlewares", "headers", where, name), f"is the same header as {other}"
                )
