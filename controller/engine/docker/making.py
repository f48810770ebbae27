"""How a container was made, and what an image brings along, from what the engine says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from resources.making import Made, Process, binding, digest


def made(raw: Mapping[str, Any]) -> Made:
    """raw: an inspection."""
    host = raw["HostConfig"]
    return Made(
        process=process(raw["Config"]),
        ports=tuple(sorted(_ports(host.get("PortBindings") or {}))),
        read_only_root=bool(host.get("ReadonlyRootfs")),
        tmpfs={path: _size(options) for path, options in (host.get("Tmpfs") or {}).items()},
        capabilities=tuple(sorted(map(capability, host.get("CapAdd") or ()))),
    )


def process(config: Mapping[str, Any]) -> Process:
    """config: a container's, or an image's."""
    variables = (variable.partition("=") for variable in config.get("Env") or ())
    return Process(
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        environment={name: digest(value) for name, _, value in variables},
        user=config.get("User") or "",
        check=tuple((config.get("Healthcheck") or {}).get("Test") or ()),
    )


def capability(name: str) -> str:
    """Without the prefix that some engines put before it."""
    return name.upper().removeprefix("CAP_")


def _ports(bindings: Mapping[str, Any]) -> Iterable[str]:
    for inside, places in bindings.items():
        for place in places or ():
            yield binding(place.get("HostIp") or "", place.get("HostPort") or "", inside)


def _size(options: str) -> int:
    """In bytes; -1 of one that we never write."""
    for option in options.split(","):
        name, _, value = option.partition("=")
        if name == "size":
            return int(value) if value.isascii() and value.isdecimal() else -1
    return 0
