"""The format of a sealed value: a libsodium sealed box around its address and the value.

``v1:KEYID:BASE64`` where the box (``crypto_box_seal``) holds, as UTF-8,
``ORGANIZATION NUL SECRET NUL KEY NUL VALUE`` and KEYID is the first 16 hexadecimal digits of the
SHA-256 of the public key. Anybody with the public key can seal; who copies a sealed value to
another organization, Secret or key gets nothing, since the address inside would not be its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from nacl import public as sodium
from nacl.exceptions import CryptoError

from resources.sealed import Sealed, SealingKey

_DIGITS = 16


class Unreadable(Exception):
    """Why a sealed value does not open, as a predicate; never with any of it."""


@dataclass(frozen=True)
class PrivateKey:
    """seed: 32 bytes, the private half."""

    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> PrivateKey:
        return cls(bytes(sodium.PrivateKey.generate()))

    @cached_property
    def sodium(self) -> sodium.PrivateKey:
        return sodium.PrivateKey(self.seed)

    @cached_property
    def public(self) -> SealingKey:
        raw = bytes(self.sodium.public_key)
        return SealingKey(key_id(raw), base64.b64encode(raw).decode())

    @property
    def id(self) -> str:
        return self.public.id


def key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:_DIGITS]


def seal(key: SealingKey, organization: str, secret: str, name: str, value: str) -> str:
    """name: of the value within its Secret. Raises ValueError when ``key`` is no public key."""
    raw = base64.b64decode(key.public, validate=True)
    if key_id(raw) != key.id:
        raise ValueError("the public key is not the one of that id")
    box = sodium.SealedBox(sodium.PublicKey(raw))
    inside = _address(organization, secret, name) + value.encode()
    return f"v1:{key.id}:{base64.b64encode(box.encrypt(inside)).decode()}"


def opened(key: PrivateKey, sealed: Sealed) -> str:
    """Raises Unreadable."""
    try:
        box = base64.b64decode(sealed.text.split(":", 2)[2], validate=True)
        inside: bytes = sodium.SealedBox(key.sodium).decrypt(box)
    except (binascii.Error, ValueError, CryptoError):
        raise Unreadable("is damaged: it does not open") from None
    address = _address(sealed.organization, sealed.secret, sealed.key)
    if not inside.startswith(address):
        raise Unreadable("was sealed for another organization, Secret or key")
    try:
        value = inside[len(address) :].decode()
    except UnicodeDecodeError:
        raise Unreadable("is not UTF-8 text") from None
    if "\0" in value:
        raise Unreadable("has a NUL character, which no variable can hold")
    return value


def _address(organization: str, secret: str, name: str) -> bytes:
    """None of the three can hold a NUL."""
    return f"{organization}\0{secret}\0{name}\0".encode()
