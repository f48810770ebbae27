"""What a Domain declares: a hostname, and the service that answers there.

Everything here reaches the proxies only through ``routing.py``, as literals. What holds across
fields is in ``rules.py``.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from resources.domain.rules import check
from resources.domain.values import (
    AllowedNetwork,
    Headers,
    Hostname,
    PathPrefix,
    RedirectTarget,
)
from resources.spec import DnsLabel, Items, PortNumber, Spec

MOST = 1_000_000


class Tls(Spec):
    """HTTPS, and where its certificate comes from."""

    enabled: bool = Field(True, description="false: plain HTTP only.")
    issuer: Literal["letsencrypt", "custom"] = Field(
        "letsencrypt",
        description="letsencrypt: ordered and renewed automatically; custom: from a Secret.",
    )
    secret: DnsLabel | None = Field(
        None, description="With issuer custom: a Secret with the keys tls.crt and tls.key (PEM)."
    )


class BasicAuth(Spec):
    """A password is asked for."""

    secret: DnsLabel = Field(
        description="A Secret: each key a user name, its value the password or its htpasswd hash."
    )


class RateLimit(Spec):
    """How many requests each client address may make; beyond that 429 is answered."""

    average: Annotated[int, Field(ge=1, le=MOST)] = Field(description="Requests per second.")
    burst: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        None, description="So many may come at once; absent: as many as average."
    )


class HeaderRules(Spec):
    """Headers to set; an empty value removes the header."""

    request: Headers = Field({}, description="On the way to the service.")
    response: Headers = Field({}, description="On the way to the visitor.")


class Redirect(Spec):
    """Visitors are sent elsewhere."""

    to: RedirectTarget = Field(
        description="URL to go to; without a path, that of the request is kept."
    )
    permanent: bool = Field(False, description="true: 308 or 301, which browsers remember.")

    @cached_property
    def keeps_path(self) -> bool:
        """Only a host is given: path and query are the visitor's."""
        parts = urlsplit(self.to)
        return parts.path in ("", "/") and not parts.query and not parts.fragment

    @property
    def host(self) -> str:
        return (urlsplit(self.to).hostname or "").rstrip(".")

    @property
    def secure(self) -> bool:
        return self.to[:5].lower() == "https"


class Middlewares(Spec):
    """What happens to a request on its way; in the order allow list, rate limit, redirect,
    password, headers, compression."""

    basic_auth: BasicAuth | None = Field(None, description="A password is asked for.")
    ip_allow_list: Annotated[Items[AllowedNetwork], Field(min_length=1, max_length=256)] | None = (
        Field(None, description="Addresses and networks that may come; others get 403.")
    )
    rate_limit: RateLimit | None = Field(None, description="Requests per client address.")
    headers: HeaderRules | None = Field(None, description="Headers to set or to remove.")
    redirect: Redirect | None = Field(None, description="Send visitors elsewhere.")
    compress: bool = Field(False, description="true: answers are compressed where that helps.")


class DomainSpec(Spec):
    """A hostname, and the service that answers there."""

    hostname: Hostname = Field(
        description="Name that visitors use, like 'shop.example.com' or '*.shop.example.com'."
    )
    service: DnsLabel = Field(description="Name of a Service of the same organization.")
    port: PortNumber | None = Field(
        None, description="Port of the service; absent: its first tcp port."
    )
    path_prefix: PathPrefix | None = Field(
        None, description="Only paths at or below this one, like '/api'; the longest one wins."
    )
    strip_prefix: bool = Field(
        False, description="true: the service does not get to see pathPrefix."
    )
    sticky: bool = Field(False, description="true: a visitor stays with one replica, by a cookie.")
    tls: Tls = Field(Tls(), description="HTTPS and its certificate.")
    redirect_https: bool | None = Field(
        None, description="HTTP is redirected to HTTPS; absent: true with tls."
    )
    middlewares: Middlewares = Field(
        Middlewares(), description="What happens to a request on its way."
    )

    @model_validator(mode="after")
    def _rules(self) -> Self:
        check(self)
        return self

    @property
    def path(self) -> str:
        """'' for all paths."""
        return "" if self.path_prefix in (None, "/") else str(self.path_prefix)

    @property
    def redirects_https(self) -> bool:
        return self.tls.enabled if self.redirect_https is None else self.redirect_https

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Names of the Secrets it refers to, sorted."""
        auth = self.middlewares.basic_auth
        names = {auth.secret if auth is not None else None, self.tls.secret}
        return tuple(sorted(name for name in names if name is not None))
