"""What Compose files write shortly, in the form that is wanted here."""

from __future__ import annotations

import re
from typing import Any

from resources.finding import Path

_PORT = re.compile(
    r"(?:([0-9]{1,3}(?:\.[0-9]{1,3}){3}):)?(?:([0-9]{1,5}):)?([0-9]{1,5})(?:/(tcp|udp))?", re.ASCII
)
_MOUNT = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(/[^:{}\[\],#\s]*)(?::(ro|rw))?")
_PLACE = re.compile(r"/[^:{}\[\],#\s]*")


def meant(path: Path, value: Any) -> str | None:
    """The map that a list's item stands for: ``ports: ["8080:80"]``. None when it is none that is
    known. path: of the item, below ``spec``."""
    if len(path) < 2 or not isinstance(value, str | int) or isinstance(value, bool):
        return None
    text = str(value)
    match path[-2]:
        case "ports":
            return _port(text)
        case "volumes":
            return _mount(text)
        case "tmpfs":
            return f"{{mountPath: {text}}}" if _PLACE.fullmatch(text) else None
    return None


def listed_environment(path: Path, value: Any) -> str | None:
    """How ``environment: [A=b]`` is written; its values are nobody's to repeat."""
    if not path or path[-1] != "environment" or not isinstance(value, list | tuple):
        return None
    names = [v.partition("=")[0] for v in value if isinstance(v, str)]
    name = next((n for n in names if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,60}", n)), "NAME")
    return f"write '{name}: VALUE' instead of '- {name}=VALUE'"


def _port(text: str) -> str | None:
    found = _PORT.fullmatch(text)
    if found is None:
        return None
    address, host, container, protocol = found.groups()
    parts = [f"containerPort: {int(container)}"]
    if host is not None:
        parts.append(f"hostPort: {int(host)}")
    if address is not None:
        parts.append(f"hostAddress: {address}")
    if protocol == "udp":
        parts.append("protocol: udp")
    return "{" + ", ".join(parts) + "}"


def _mount(text: str) -> str | None:
    found = _MOUNT.fullmatch(text)
    if found is None:
        return None
    volume, place, mode = found.groups()
    only = ", readOnly: true" if mode == "ro" else ""
    return f"{{volume: {volume}, mountPath: {place}{only}}}"
