"""A user's line for the proxies' basic authentication.

What a Secret holds is either a hash already (bcrypt, apr1, SHA-1, as htpasswd writes them) or the
password itself, which is hashed here when it is opened, so that no file and no proxy ever holds
it. apr1 is used: a proxy shared by all tenants checks every single request, and a slow hash would
be everybody's load. The salt comes from the sealed box, so equal input makes an equal line.
"""

from __future__ import annotations

import hashlib
import re

from resources.sealed import Sealed

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_APR1 = r"\$apr1\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}"
_SHA1 = r"\{SHA\}[A-Za-z0-9+/]{27}="
_BCRYPT = r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./0-9A-Za-z]{53}"
_HASH = re.compile(f"(?:{_APR1}|{_SHA1}|{_BCRYPT})", re.ASCII)
_OTHER = re.compile(
    r"\$(?:1|2[a-z]?|5|6|7|g?y|apr1|argon2[a-z]*|scrypt)\$.{4,}|\{(?:S?MD5|S?SHA[0-9]*|CRYPT|PLAIN)\}.*",
    re.ASCII,
)
"""Hashes of other kinds, and halves of these: taken for a password, nobody could ever log in."""
COSTLIEST = 12
"""Of bcrypt: about a quarter of a second of the proxy's time for each request."""


LONGEST = 256
"""Characters of a password: hashing takes time by its length, and there are many."""


def line(sealed: Sealed, value: str) -> str:
    """``user:hash``. value: the opened one; of several lines, or of a line with another user's
    name, nothing is made. Raises ValueError, a predicate that does not quote the value."""
    text = value.strip("\r\n")
    if not text:
        raise ValueError("is empty")
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters")
    if "\n" in text or "\r" in text:
        raise ValueError("has more than one line; write each user under a key of its own")
    user, colon, rest = text.partition(":")
    if colon and user == sealed.key and _HASH.fullmatch(rest):
        text = rest
    found = _HASH.fullmatch(text)
    if found is None and _OTHER.fullmatch(text):
        raise ValueError("is a hash, but neither bcrypt nor apr1 nor SHA-1, or not a whole one")
    if found is None:
        return f"{sealed.key}:{apr1(text, _salt(sealed))}"
    if found["cost"] and not 4 <= int(found["cost"]) <= COSTLIEST:
        raise ValueError(f"has a bcrypt cost that is not within 4 to {COSTLIEST}")
    return f"{sealed.key}:{text}"


def _salt(sealed: Sealed) -> str:
    digest = hashlib.sha256(sealed.text.encode()).digest()
    return "".join(_ALPHABET[byte % 64] for byte in digest[:8])


def apr1(password: str, salt: str) -> str:
    """As Apache's htpasswd -m and openssl passwd -apr1."""
    secret, grain = password.encode(), salt.encode()
    inner = hashlib.md5(secret + grain + secret, usedforsecurity=False).digest()
    whole = secret + b"$apr1$" + grain
    for place in range(len(secret), 0, -16):
        whole += inner[: min(16, place)]
    length = len(secret)
    while length:
        whole += b"\0" if length & 1 else secret[:1]
        length >>= 1
    digest = hashlib.md5(whole, usedforsecurity=False).digest()
    for turn in range(1000):
        part = secret if turn & 1 else digest
        part += grain if turn % 3 else b""
        part += secret if turn % 7 else b""
        part += digest if turn & 1 else secret
        digest = hashlib.md5(part, usedforsecurity=False).digest()
    return f"$apr1${salt}${_encoded(digest)}"


def _encoded(digest: bytes) -> str:
    text = ""
    for a, b, c in ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)):
        text += _digits(digest[a] << 16 | digest[b] << 8 | digest[c], 4)
    return text + _digits(digest[11], 2)


def _digits(number: int, count: int) -> str:
    found = ""
    for _ in range(count):
        found += _ALPHABET[number & 63]
        number >>= 6
    return found
