"""What a container may do on its host that none of ours ever may, read from its inspection.

Not a comparison with what we render today (a release that drops one more thing would recreate the
containers of the one before): these are granted by no release. A container that has any was made by
somebody else, whatever its labels say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from resources.organization.security import GRANTABLE_CAPABILITIES

_NAMESPACES = {
    "PidMode": "pid",
    "IpcMode": "ipc",
    "UTSMode": "uts",
    "UsernsMode": "user",
    "NetworkMode": "network",
}


def powers(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """raw: an inspection. Words for people, sorted."""
    return tuple(sorted(_powers(raw, raw["HostConfig"])))


def _powers(raw: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[str]:
    if host.get("Privileged"):
        yield "privileged"
    for mount in raw.get("Mounts") or ():
        if mount.get("Type") == "bind":
            yield f"bind {mount.get('Source')}"
    for device in host.get("Devices") or ():
        yield f"device {device.get('PathOnHost')}"
    for capability in host.get("CapAdd") or ():
        name = capability.upper().removeprefix("CAP_")
        if name not in GRANTABLE_CAPABILITIES:
            yield f"capability {name}"
    for option in host.get("SecurityOpt") or ():
        if option.endswith(("unconfined", "=disable", ":disable")):
            yield option
    for field, name in _NAMESPACES.items():
        whose = (host.get(field) or "").partition(":")[0]
        if whose in ("host", "container"):
            yield f"{name} namespace of the {whose}"
