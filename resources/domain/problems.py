"""What can stand in the way of a Domain, and what to do about it. Whose a taken name is, nobody is
told."""

from __future__ import annotations

from resources.conditions import timestamp
from resources.context import Context
from resources.domain.spec import DomainSpec
from resources.errors import UserError
from resources.finding import pointer
from resources.hostname_claims import DUPLICATE
from resources.routing.world import Certificate

CONFLICT = "DOMAIN_CONFLICT"
RESERVED = "DOMAIN_RESERVED"
NO_PORT = "DOMAIN_NO_PORT"
WILDCARD = "DOMAIN_CERTIFICATE_WILDCARD"
EXPIRING, EXPIRED = "DOMAIN_CERTIFICATE_EXPIRING", "DOMAIN_CERTIFICATE_EXPIRED"
REFUSED = "DOMAIN_ROUTE_REFUSED"
LABEL_HEADER = "DOMAIN_LABEL_HEADER"
NOT_FOUND = "RESOURCE_NOT_FOUND"


def conflict(spec: DomainSpec, why: str) -> UserError:
    """why: as the claim says."""
    place = f"{spec.hostname}{spec.path}"
    if why.startswith(DUPLICATE):
        other = why.removeprefix(DUPLICATE)
        return UserError(
            CONFLICT,
            f"spec.hostname: Domain {other} of this organization stands for {place} already",
            details={"hostname": spec.hostname, "pointer": "/spec/hostname"},
            suggestions=["give one of them another pathPrefix", f"delete the Domain {other}"],
        )
    return UserError(
        CONFLICT,
        f"spec.hostname: {spec.hostname} is taken; somebody else has proven that it is theirs",
        details={"hostname": spec.hostname, "pointer": "/spec/hostname"},
        suggestions=[
            "use another hostname",
            "if it is yours: ask the platform to have the other claim removed",
        ],
    )


def reserved(spec: DomainSpec, organization: str, default_domain: str) -> UserError:
    own = f"{organization}.{default_domain}"
    return UserError(
        RESERVED,
        f"spec.hostname: {spec.hostname} lies in {default_domain}, which is the platform's own; "
        f"this organization may use names in {own}",
        details={"hostname": spec.hostname, "pointer": "/spec/hostname"},
        suggestions=[f"use a name like shop.{own}", "use a domain of your own"],
    )


def no_port(spec: DomainSpec) -> UserError:
    return UserError(
        NO_PORT,
        f"spec.port: Service {spec.service} declares no tcp port, so it has to be given",
        details={"service": spec.service, "pointer": "/spec/port"},
        suggestions=[
            "set spec.port to the port that it listens on",
            f"declare ports in the Service {spec.service}",
        ],
    )


def wildcard(spec: DomainSpec) -> UserError:
    return UserError(
        WILDCARD,
        "spec.tls.issuer: a certificate for a wildcard is only issued by DNS-01, which this "
        "platform is not set up for",
        details={"hostname": spec.hostname, "pointer": "/spec/tls/issuer"},
        suggestions=[
            "set tls.issuer: custom with a certificate of your own in a Secret",
            "declare a Domain for each name",
            "set tls.enabled: false",
        ],
    )


def label_header(where: str, name: str) -> UserError:
    """where: request | response."""
    path = ("spec", "middlewares", "headers", where, name)
    return UserError(
        LABEL_HEADER,
        f"spec.middlewares.headers.{where}: labels cannot carry the header {name}: a dot divides "
        "their names",
        details={"header": name, "pointer": pointer(path)},
        suggestions=["give the header a name without dots", f"have the program set {name}"],
    )


def service_leaving(spec: DomainSpec) -> UserError:
    return UserError(
        "RESOURCE_CONFLICT",
        f"spec.service: Service {spec.service} is being deleted",
        details={"kind": "Service", "name": spec.service, "pointer": "/spec/service"},
        suggestions=["name another Service", "delete this Domain"],
    )


def no_users(secret: str) -> UserError:
    return UserError(
        "SECRET_KEY_NOT_FOUND",
        f"spec.middlewares.basicAuth.secret: Secret {secret} holds no users",
        details={"kind": "Secret", "name": secret, "pointer": "/spec/middlewares/basicAuth/secret"},
        suggestions=[
            f"add a key to the Secret {secret}: the user name, with the password as value"
        ],
    )


def refused(name: str, why: str) -> UserError:
    """A proxy does not take a router as it is."""
    return UserError(
        REFUSED,
        f"a proxy does not serve the router {name}: {why}",
        details={"router": name},
        suggestions=["skyctl doctor", "look into the proxy's log"],
        retryable=True,
    )


def ending(spec: DomainSpec, found: Certificate) -> UserError:
    when = timestamp(found.not_after) if found.not_after is not None else "an unknown time"
    over = found.ending == "over"
    renew = [
        "look into the proxy's log: it renews certificates by itself",
        f"check that {spec.hostname} leads here, and that the ports for HTTP and HTTPS are open",
    ]
    if spec.tls.issuer == "custom":
        renew = [f"put a new certificate into the Secret {spec.tls.secret}"]
    return UserError(
        EXPIRED if over else EXPIRING,
        f"the certificate for {spec.hostname} {'ended' if over else 'ends'} at {when}, "
        "and was not renewed",
        details={"hostname": spec.hostname, "notAfter": when, "issuer": found.issuer},
        suggestions=renew,
    )


def organization_leaving(context: Context) -> UserError:
    return UserError(
        "RESOURCE_CONFLICT",
        f"organization {context.key.organization} is being deleted; nothing new is accepted",
        suggestions=["wait until it is gone, then create it again"],
    )
