"""How a container was made, as far as it can be told from its inspection: what it runs and where
it is open. An engine adds to it what the image says, so an image tells the same of itself.

Values of variables may be secret, so only digests of them are held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Process:
    """environment: digests by name (see ``digest``). check: the engine's own, its test as the
    engine has it, ``CMD`` in front."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    check: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """ports: what is published, as ``binding`` writes it, sorted. tmpfs: sizes in bytes by path, 0
    where none is set. capabilities: those added, sorted."""

    process: Process = Process()
    ports: tuple[str, ...] = ()
    read_only_root: bool = False
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


def digest(value: str) -> str:
    return hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]


def binding(address: str, port: str, inside: str) -> str:
    """``127.0.0.1:8080->80/tcp``; without an address it is on all of them."""
    return f"{address or '0.0.0.0'}:{port}->{inside}"
