"""Does a private key belong to its certificate?

A proxy drops a pair that does not match, without a word to anybody but its own log, and shows its
makeshift certificate instead. What is asked of OpenSSL here stays in memory.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from resources.errors import UserError
from resources.routing.document import Document
from resources.routing.opening import REFUSED

_MISMATCHES = frozenset({"KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""Another key, and one of another kind."""


def check_pairs(document: Document, content: Mapping[str, Any]) -> None:
    """content: the document's, its secrets opened. Raises UserError DOMAIN_SECRET_INVALID."""
    for index, pair in enumerate(content.get("tls", {}).get("certificates", ())):
        sealed = document.secrets.get(f"/tls/certificates/{index}/keyFile")
        if sealed is None or _match(pair["certFile"], pair["keyFile"]):
            continue
        raise UserError(
            REFUSED,
            f"Secret {sealed.secret}: {sealed.key} is not the key of the certificate beside it",
            details={"secret": sealed.secret, "key": sealed.key},
            suggestions=[f"write certificate and key of the Secret {sealed.secret} in one change"],
        )


def _match(certificate: str, key: str) -> bool:
    """True as well for what cannot be read: that is told by who reads it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        with _in_memory(certificate) as one, _in_memory(key) as other:
            context.load_cert_chain(one, other, password=lambda: "")
    except ssl.SSLError as error:
        return error.reason not in _MISMATCHES
    return True


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(text.encode())
        opened.flush()
        yield f"/proc/self/fd/{descriptor}"
