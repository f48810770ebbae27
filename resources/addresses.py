"""Addresses as operators write them, in settings and in the CaasConfiguration. Each function raises
a ValueError that says how to write it. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

NAME = re.compile(r"(?=.{1,190}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}")
DNS_PORT = 53


def is_address(text: str) -> bool:
    """IPv4 or IPv6, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def address(text: str) -> str:
    """'' or an address."""
    if text and not is_address(text):
        raise ValueError(f"{text!r} is no address: write one like 192.0.2.7 or 2001:db8::7")
    return text


def domain(text: str) -> str:
    """'' or a domain name, in lower case and without a final dot."""
    name = text.strip().rstrip(".").lower()
    if name and not NAME.fullmatch(name):
        raise ValueError(f"{text!r} is no domain name")
    return name


def host_or_address(text: str) -> str:
    if not is_address(text) and not NAME.fullmatch(text.rstrip(".").lower()):
        raise ValueError(
            f"{text!r} is neither an address like 192.0.2.7 nor a name like example.com"
        )
    return text


def listener(text: str) -> tuple[str, int]:
    """HOST:PORT; without a host it is the loopback."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not colon or not _is_port(port) or not (is_address(host) or NAME.fullmatch(host.lower())):
        raise ValueError(f"{text!r} is no HOST:PORT: write it like 10.0.0.5:8901 or [::1]:8901")
    return host, int(port)


def resolver(text: str) -> tuple[str, int]:
    """ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT."""
    if is_address(text):
        return text, DNS_PORT
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not _is_port(port) or not is_address(host):
        raise ValueError(f"{text!r} is no resolver like 192.0.2.53 or 192.0.2.53:5353")
    return host, int(port)


def url(text: str) -> str:
    """'' or one by HTTP."""
    if text and not is_url(text):
        raise ValueError(f"{text!r} is no URL: write it like http://10.0.0.7:8080")
    return text


def pool(text: str) -> str:
    """An IPv4 network that others are cut from."""
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no network like 10.128.0.0/9: {error}") from None


def port_range(text: str) -> tuple[int, int]:
    """LOW-HIGH, or one port."""
    low, dash, high = text.partition("-")
    if not _is_port(low) or (dash and not _is_port(high)) or int(low) > int(high or low):
        raise ValueError(f"{text!r} is no range of ports: write it like 30000-30999")
    return int(low), int(high or low)


def each(check: Callable[[str], object]) -> Callable[[str], str]:
    """Of several with commas between them."""

    def checked(text: str) -> str:
        for part in filter(None, map(str.strip, text.split(","))):
            check(part)
        return text

    return checked


def given(check: Callable[[str], object]) -> Callable[[str], str]:
    """'' is none."""

    def checked(text: str) -> str:
        if text:
            check(text)
        return text

    return checked


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536


def is_url(text: str) -> bool:
    """With a host, by HTTP."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
