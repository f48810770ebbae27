"""The values of secrets in a document, as the proxies get them.

What is put in is checked here, because nobody else sees it: a proxy takes the content of a
certificate that is not PEM for a file name, and chooses among all tenants' certificates by the
names in them. A value is never quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from resources.errors import UserError
from resources.hostname import apex, covers, is_wildcard
from resources.routing.document import Document
from resources.routing.htpasswd import line
from resources.sealed import Sealed
from resources.x509 import Said, read_pem

REFUSED = "DOMAIN_SECRET_INVALID"
_KEY = re.compile(
    r"(?:-----BEGIN (EC PARAMETERS)-----[A-Za-z0-9+/=\s]+-----END \1-----\s*)?"
    r"-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[A-Za-z0-9+/=\s]+-----END \2-----",
    re.ASCII,
)


class _Unfit(ValueError):
    """suggestions: what to do instead of writing it anew."""

    def __init__(self, text: str, *suggestions: str) -> None:
        super().__init__(text)
        self.suggestions = suggestions


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
            suggestions=_suggestions(error, sealed),
        ) from None


def names(content: Mapping[str, Any]) -> frozenset[str]:
    """For which the certificates in a part of the dynamic configuration are."""
    found: set[str] = set()
    for pair in content.get("tls", {}).get("certificates", ()):
        try:
            found.update(_names(read_pem(pair["certFile"])[0]))
        except (ValueError, KeyError, IndexError):
            continue  # no proxy can read it either
    return frozenset(found)


def beyond(found: Iterable[str], hosts: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
    """Those of the names for which a certificate must not be: whoever proves one of them later
    would have it shown to his visitors, and never get one of his own. A wildcard that is held
    brings its apex, which is proven by the same record."""
    own = {*hosts, *held}
    own |= {apex(name) for name in own if is_wildcard(name)}
    return tuple(name for name in found if name not in own)


def _suggestions(error: ValueError, sealed: Sealed) -> list[str]:
    if isinstance(error, _Unfit):
        return list(error.suggestions)
    return [f"write {sealed.key} of the Secret {sealed.secret} anew"]


def _certificate(document: Document, value: str) -> str:
    leaf = read_pem(value)[0]
    (host,) = document.hosts
    if not any(covers(name, host) for name in leaf.names):
        raise _Unfit(
            f"is a certificate for {_listed(leaf.names)}, not for {host}",
            f"use a certificate for {host}",
        )
    if others := beyond(_names(leaf), document.hosts, document.held):
        raise _Unfit(
            f"is a certificate also for {_listed(others)}, which this organization has not proven "
            "to be its own",
            f"declare a Domain for each of {_listed(others)}, and prove it",
            f"use a certificate for {host} alone",
        )
    return value


def _names(leaf: Said) -> tuple[str, ...]:
    """By which a proxy chooses it: it takes parts of a subject's common name, divided at commas,
    for hostnames as well."""
    parts = [part.strip() for name in leaf.common for part in name.split(",")]
    common = (part for part in parts if "." in part or "*" in part)
    return tuple(dict.fromkeys((*leaf.names, *common)))


def _listed(names: Any) -> str:
    shown = [re.sub(r"[^-*._a-z0-9]", "?", name)[:80] for name in names]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "") if shown else "no name"


def _key(value: str) -> str:
    if _KEY.fullmatch(value.strip()) is None:
        raise ValueError("is no PEM private key without a passphrase")
    return value
