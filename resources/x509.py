"""What a certificate says of itself: a reader of just that much DER.

Nothing is verified here; that a certificate is valid is for visitors to judge. It is read for two
purposes: what is served is told in a Domain's status, and a certificate from a Secret may only be
for names that its Domain has, because the proxies choose among all certificates by name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----\s*", re.ASCII
)
_SEQUENCE, _OID, _OCTETS, _UTC_TIME = 0x30, 0x06, 0x04, 0x17
_VERSION, _EXTENSIONS, _DNS_NAME = 0xA0, 0xA3, 0x82
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_COMMON_NAME, _ORGANIZATION = bytes.fromhex("550403"), bytes.fromhex("55040a")
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Said:
    """names: DNS names, lower case, in the order of the certificate; without any, the subject's
    common ones. common: these, which some programs go by as well."""

    issuer: str
    names: tuple[str, ...]
    common: tuple[str, ...]
    not_before: datetime
    not_after: datetime


class _Item(NamedTuple):
    tag: int
    body: bytes


def read_pem(text: str) -> tuple[Said, ...]:
    """Of a chain, the leaf first; nothing else may stand there. Raises ValueError."""
    found, place = [], 0
    whole = text.strip() + "\n"
    while place < len(whole):
        block = _PEM.match(whole, place)
        if block is None:
            raise ValueError("is no chain of PEM certificates")
        try:
            found.append(read_der(base64.b64decode("".join(block[1].split()), validate=True)))
        except binascii.Error:
            raise ValueError("holds a certificate that is no base64") from None
        place = block.end()
    return tuple(found)


def read_der(data: bytes) -> Said:
    """Raises ValueError."""
    try:
        (whole,) = _items(data)
        tbs = list(_items(_items_of(whole)[0].body))
        fields = [item for item in tbs if item.tag != _VERSION]
        _serial, _algorithm, issuer, validity, subject = fields[:5]
        begin, end = map(_moment, _items_of(validity))
        common = tuple(name.lower() for name in _attributes(subject, _COMMON_NAME))
        names = tuple(name.lower() for name in _alternatives(fields))
        return Said(_shown(issuer), names or common, common, begin, end)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise ValueError("holds something that is no certificate") from error


def _items(data: bytes) -> Iterator[_Item]:
    place = 0
    while place < len(data):
        tag, length, place = data[place], data[place + 1], place + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise ValueError("a length that DER does not have")
            length, place = int.from_bytes(data[place : place + size], "big"), place + size
        body = data[place : place + length]
        if len(body) != length:
            raise ValueError("it ends too early")
        yield _Item(tag, body)
        place += length


def _first(data: bytes) -> _Item:
    for item in _items(data):
        return item
    raise ValueError("it is empty")


def _items_of(item: _Item) -> list[_Item]:
    if item.tag != _SEQUENCE:
        raise ValueError("not a sequence")
    return list(_items(item.body))


def _moment(item: _Item) -> datetime:
    text = item.body.decode("ascii")
    if item.tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alternatives(fields: list[_Item]) -> list[str]:
    for holder in (item for item in fields if item.tag == _EXTENSIONS):
        for extension in _items_of(_first(holder.body)):
            oid, *_, value = _items_of(extension)
            if oid.body == _ALTERNATIVE_NAMES and value.tag == _OCTETS:
                names = _items_of(_first(value.body))
                return [n.body.decode("ascii") for n in names if n.tag == _DNS_NAME]
    return []


def _attributes(name: _Item, oid: bytes) -> list[str]:
    found = []
    for part in _items_of(name)[:_DEEPEST]:
        for pair in _items(part.body):
            kind, value = _items_of(pair)[:2]
            if kind.tag == _OID and kind.body == oid:
                found.append(value.body.decode("utf-8", "replace"))
    return found


def _shown(issuer: _Item) -> str:
    """Its common name, after the organization's where that says more."""
    common = next(iter(_attributes(issuer, _COMMON_NAME)), "")
    organization = next(iter(_attributes(issuer, _ORGANIZATION)), "")
    return f"{organization} {common}".strip() if common != organization else common
