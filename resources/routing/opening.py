"""The values of secrets in a document, as the proxies get them.

What is put in is checked here, because nobody else sees it: a proxy takes the content of a
certificate that is not PEM for a file name, and chooses among all tenants' certificates by the
names in them. A value is never quoted.
"""

from __future__ import annotations

import re
from typing import Any

from resources.errors import UserError
from resources.hostname import apex, covers
from resources.routing.document import Document
from resources.routing.htpasswd import line
from resources.sealed import Sealed
from resources.x509 import read_pem

REFUSED = "DOMAIN_SECRET_INVALID"
_KEY = re.compile(
    r"(?:-----BEGIN (EC PARAMETERS)-----[A-Za-z0-9+/=\s]+-----END \1-----\s*)?"
    r"-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[A-Za-z0-9+/=\s]+-----END \2-----",
    re.ASCII,
)


def fitted(document: Document, pointer: str, sealed: Sealed, value: str) -> str:
    """What is put at the pointer once the value is opened. Of a Domain's document; in any other it
    is the value itself. Raises UserError DOMAIN_SECRET_INVALID."""
    if not document.hosts:
        return value
    try:
        if pointer.endswith("/certFile"):
            return _certificate(document, value)
        if pointer.endswith("/keyFile"):
            return _key(value)
        return line(sealed, value)
    except ValueError as error:
        raise UserError(
            REFUSED,
            f"Secret {sealed.secret}: {sealed.key} {error}",
            details={"secret": sealed.secret, "key": sealed.key},
            suggestions=[f"write {sealed.key} of the Secret {sealed.secret} anew"],
        ) from None


def _certificate(document: Document, value: str) -> str:
    leaf = read_pem(value)[0]
    if not any(covers(name, host) for host in document.hosts for name in leaf.names):
        raise ValueError(f"is a certificate for {_listed(leaf.names)}, not for this Domain")
    beyond = [name for name in (*leaf.names, *_hosts(leaf.common)) if not _own(document, name)]
    if beyond:
        raise ValueError(
            f"is a certificate also for {_listed(beyond)}, which this Domain does not stand for"
        )
    return value


def _hosts(common: tuple[str, ...]) -> list[str]:
    """What a proxy takes for hostnames in a subject's common name: it divides at commas."""
    parts = [part.strip() for name in common for part in name.split(",")]
    return [part for part in parts if "." in part or "*" in part]


def _own(document: Document, name: str) -> bool:
    """It covers the Domain's hostname, or is what a wildcard Domain stands below."""
    return any(covers(name, host) or name == apex(host) for host in document.hosts)


def _listed(names: Any) -> str:
    shown = [re.sub(r"[^-*._a-z0-9]", "?", name)[:80] for name in names]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "") if shown else "no name"


def _key(value: str) -> str:
    if _KEY.fullmatch(value.strip()) is None:
        raise ValueError("is no PEM private key without a passphrase")
    return value
