"""Sealed values: what of a secret may travel through plans, the store and logs.

A sealed value is text, ``v1:KEYID:BOX``: which key it was sealed for, and the sealed box in base64.
Only who has that key's private half can open it, at the very edge, when a container is made. The
box is different each time, also for equal values, so a hash of it tells nothing about the value
to who guesses, and still says whether it changed.

``inbox:TICKET`` stands in its place while a value that came by SQL waits to be sealed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.meta import Key

SEALED = r"^v1:[0-9a-f]{16}:[A-Za-z0-9+/]{64,}={0,2}$"
TICKET = r"^inbox:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

_SEALED = re.compile(SEALED.strip("^$"), re.ASCII)
_TICKET = re.compile(TICKET.strip("^$"), re.ASCII)
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Sealed:
    """One value of a Secret, and whose it is: it opens for no other organization, name or key."""

    organization: str
    secret: str
    key: str
    text: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Of the box, not of the value."""
        return fingerprint(self.text)

    @property
    def key_id(self) -> str:
        return key_id(self.text)


@dataclass(frozen=True, slots=True)
class SealedCredentials:
    """What a registry asks for, as yet sealed: two values of one Secret."""

    username: Sealed
    password: Sealed

    @property
    def organization(self) -> str:
        return self.password.organization

    @property
    def secret(self) -> str:
        return self.password.secret

    @property
    def fingerprint(self) -> str:
        """Another one when either value was written anew; tells nothing about them."""
        return fingerprint(f"{self.username.text}\n{self.password.text}")


@dataclass(frozen=True, slots=True)
class Login:
    """What a registry asks for, in the clear: from opening to the call that it is meant for."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The half of a key that everybody may have. public: base64 of 32 bytes (X25519)."""

    id: str
    public: str


def fingerprint(text: str) -> str:
    """Tells two sealed values apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def is_sealed(text: object) -> bool:
    return isinstance(text, str) and _SEALED.fullmatch(text) is not None


def is_ticket(text: object) -> bool:
    return isinstance(text, str) and _TICKET.fullmatch(text) is not None


def key_id(text: str) -> str:
    """Of the key that a sealed value was sealed for."""
    return text.split(":", 2)[1]


def sealed_values(key: Key, spec: Mapping[str, Any]) -> dict[str, Sealed]:
    """Of a Secret's spec, by key; what waits to be sealed is left out."""
    values = spec.get("sealedData")
    if not isinstance(values, Mapping):
        return {}
    return {
        each: Sealed(key.organization, key.name, each, text)
        for each, text in values.items()
        if is_sealed(text)
    }
