"""Small types of a Domain's spec: what may stand in a route, and nothing that could leave one.

What is written here ends up in rules, middlewares and headers of a proxy that all tenants share.
So each value has an alphabet without quotes, backticks and control characters, and the proxy gets
it as one literal.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints
from pydantic.fields import FieldInfo

from resources.hostname import HOSTNAME, hostname
from resources.quantity import QuantityError
from resources.service.values import HeaderName, HeaderValue

Hostname = Annotated[
    str,
    StringConstraints(max_length=1024),
    AfterValidator(hostname),
    FieldInfo(json_schema_extra={"examples": ["shop.example.com", "*.shop.example.com"]}),
]
"""Any case, any script, with or without a trailing dot; ``HOSTNAME`` is its form afterwards."""

_PATH = re.compile(r"/[-._~!$&()+,;=:@/A-Za-z0-9]*", re.ASCII)


def path_prefix(text: str) -> str:
    """Without a slash at the end, but for ``/`` alone. Raises ValueError."""
    if not text.startswith("/"):
        raise QuantityError("must begin with '/'", _plain("/" + text))
    if "%" in text:
        raise ValueError("must not contain percent-encodings; write the characters themselves")
    if _PATH.fullmatch(text) is None:
        strange = sorted(set(re.sub(r"[-._~!$&()+,;=:@/A-Za-z0-9]", "", text)))
        found = ", ".join(ascii(c) for c in strange[:3]) or "a line's end"
        raise ValueError(
            "is literal, no pattern: it may have letters, digits and -._~!$&()+,;=:@/ only, "
            f"not {found}"
        )
    parts = text.rstrip("/").split("/")[1:]
    if "" in parts:
        raise QuantityError("must not contain '//'", _plain(re.sub(r"/+", "/", text)))
    if any(part in (".", "..") for part in parts):
        raise ValueError("must not contain '.' or '..' as a part")
    return text.rstrip("/") or "/"


def _plain(text: str) -> str | None:
    try:
        return path_prefix(text)
    except ValueError:
        return None


PathPrefix = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    AfterValidator(path_prefix),
    FieldInfo(json_schema_extra={"pattern": "^/", "examples": ["/api"]}),
]
"""A path, taken literally; a part counts as a whole: ``/api`` is not ``/apiary``."""

_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_OURS = "x-skyctl-"
"""By such headers the proxies tell which version of a document they serve."""


def _header_name(name: str) -> str:
    if name.lower() in _FRAMING:
        raise ValueError("belongs to the connection itself; the proxy sets it")
    if name.lower().startswith(_OURS):
        raise ValueError(f"names that begin with {_OURS} are the platform's own")
    return name


Header = Annotated[HeaderName, AfterValidator(_header_name)]
Headers = Annotated[dict[Header, HeaderValue], Field(max_length=64)]


def _network(text: str) -> str:
    """Without a zone (``%eth0``): no proxy reads one."""
    bare = re.sub("%[^/]*", "", text)
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        found = None
    if found is None or bare != text:
        meant = None
        with contextlib.suppress(ValueError):
            meant = str(ipaddress.ip_network(bare, strict=False))
        raise QuantityError("is not an address or network like 192.0.2.0/24", meant)
    return str(found)


AllowedNetwork = Annotated[str, StringConstraints(max_length=64), AfterValidator(_network)]
"""An IPv4 or IPv6 address, or a network in CIDR form."""

_TARGET = re.compile(r"(?i:https?)://[-._~:/?#\[\]@!$&'()*+,;=%A-Za-z0-9]+", re.ASCII)


def _target(text: str) -> str:
    """An http(s) URL with a host; its own characters only."""
    if not re.match(r"https?://", text, re.IGNORECASE):
        bare = "://" not in text and not text.startswith(("/", ".")) and ":" not in text
        meant = f"https://{text}" if bare and _TARGET.fullmatch(f"https://{text}") else None
        raise QuantityError("must be a URL that begins with http:// or https://", meant)
    if _TARGET.fullmatch(text) is None:
        raise ValueError("has characters that a URL may not have as they are")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not host or not re.search(r"[a-z0-9]", host):
        raise ValueError("names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or a password")
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError("has a '%' that begins no percent-encoding")
    return text


RedirectTarget = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048),
    AfterValidator(_target),
    FieldInfo(json_schema_extra={"pattern": "^[hH][tT][tT][pP][sS]?://"}),
]
"""An absolute http or https URL."""

__all__ = [
    "HOSTNAME",
    "AllowedNetwork",
    "Header",
    "Headers",
    "Hostname",
    "PathPrefix",
    "RedirectTarget",
]
