"""Hostnames: what people write, and the one form in which everything else has them.

The form is ASCII, lower case, without a trailing dot; a name in another script is in its IDNA form
(``bücher.example`` is ``xn--bcher-kva.example``). It consists of letters, digits, ``-`` and ``.``
alone, after ``*.`` in a wildcard, so it can stand in any rule, file or query as it is.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from resources.finding import shown
from resources.quantity import QuantityError

PROOF = "_skypanel-verify"
LONGEST = 253 - len(PROOF) - 1
"""The record that proves it has to be a name as well."""
WILDCARD = "*."

HOSTNAME = r"^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_FOREIGN = re.compile(r"^[a-z][-+.a-z0-9]*://|[/:@?#\s]", re.IGNORECASE)


class HostnameError(QuantityError):
    """Says what is wrong in words; ``suggestion`` is a name that was perhaps meant."""


def hostname(text: str) -> str:
    """In its form. Raises ValueError."""
    wild, rest = _divided(text)
    if not rest:
        raise ValueError("must not be empty")
    _no_address(rest)
    if _FOREIGN.search(rest):
        raise HostnameError("must be a hostname alone, like shop.example.com", _meant(text))
    if "*" in rest:
        raise HostnameError(
            "may have one wildcard, '*.', at its beginning", _meant(text.replace("*", ""))
        )
    name = _ascii(rest)
    labels = name.split(".")
    for label in labels:
        _check(label)
    if len(labels) < 2:
        raise ValueError("needs at least two parts, like shop.example.com")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        raise ValueError("must not end in a number: that would be an address")
    whole = (WILDCARD if wild else "") + name
    if len(whole) > LONGEST:
        raise ValueError(f"has {len(whole)} characters, at most {LONGEST} are allowed")
    return whole


def is_wildcard(name: str) -> bool:
    return name.startswith(WILDCARD)


def apex(name: str) -> str:
    """What a wildcard stands below; any other name is its own."""
    return name.removeprefix(WILDCARD)


def within(name: str, domain: str) -> bool:
    """Is it that domain, or below it?"""
    bare = apex(name)
    return bare == domain or bare.endswith("." + domain)


def covers(pattern: str, name: str) -> bool:
    """Does a certificate for ``pattern`` hold for ``name``? A wildcard covers one level."""
    if pattern == name:
        return True
    return (
        is_wildcard(pattern) and not is_wildcard(name) and name.partition(".")[2] == apex(pattern)
    )


def covering(name: str) -> tuple[str, ...]:
    """All patterns that cover it."""
    above = name.partition(".")[2]
    return (name,) if is_wildcard(name) or not above else (name, WILDCARD + above)


def _divided(text: str) -> tuple[bool, str]:
    """One dot at the end says only that the name is complete."""
    bare = text.removesuffix(".")
    if bare.startswith(WILDCARD):
        return True, bare.removeprefix(WILDCARD)
    return False, bare


def _no_address(text: str) -> None:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return
    raise ValueError("must be a name, not an IP address")


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True, std3_rules=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise ValueError(f"is not a name that DNS can hold: '{shown(text)}'") from None


def _check(label: str) -> None:
    if not label:
        raise ValueError("has an empty part: two dots follow each other, or it begins with one")
    if len(label) > 63:
        raise ValueError(f"has a part of {len(label)} characters, at most 63 are allowed")
    if strange := sorted(set(re.sub(r"[-a-z0-9]", "", label))):
        found = ", ".join(ascii(c) for c in strange[:3])
        raise ValueError(f"may have letters, digits, '-' and '.' only, not {found}")
    if _LABEL.fullmatch(label) is None:
        raise ValueError("has a part that begins or ends with '-'")
    if label[2:4] == "--":
        _international(label)


def _international(label: str) -> None:
    """``xn--`` in front of what is no encoded name, or ``--`` where only that may stand."""
    try:
        if not label.startswith("xn--"):
            raise idna.IDNAError
        idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        raise ValueError(f"has a part that is no encoded name: '{label}'") from None


def _meant(text: str) -> str | None:
    """The host in what was perhaps pasted: a URL, or a name with a port."""
    bare = re.sub(r"^[a-z][-+.a-z0-9]*://", "", text.strip().lower())
    bare = re.split(r"[/?#]", bare)[0].rpartition("@")[2].partition(":")[0].strip(". ")
    try:
        return hostname(bare) if bare and bare != text else None
    except ValueError:
        return None
