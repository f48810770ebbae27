"""What a container may do on its host that none of ours ever may, read from its inspection.

Not a comparison with what we render today (a release that drops one more thing would recreate the
containers of the one before): these are granted by no release, and what is said to be missing was
taken away by every one. A container that has any was made by somebody else, whatever its labels
say. Where the engine's own default depends on the host (the namespace of cgroups, the runtime) it
cannot be told what was asked for.

Our volumes are mounted by their own names, as the engine's ``Mounts``; a volume of the image's
that has no name stands in neither list of the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from controller.engine.docker.making import capability
from resources.organization.security import GRANTABLE_CAPABILITIES

_NAMESPACES = {
    "PidMode": "pid",
    "IpcMode": "ipc",
    "UTSMode": "uts",
    "UsernsMode": "user",
    "NetworkMode": "network",
}


_CONFINING = ("seccomp", "apparmor", "systempaths")
_LONGEST = 60
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


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
    for granted in host.get("CapAdd") or ():
        name = capability(granted)
        if name not in GRANTABLE_CAPABILITIES:
            yield f"capability {name}"
    for option in host.get("SecurityOpt") or ():
        if option.startswith(_CONFINING) or option.endswith(("=disable", ":disable")):
            yield option[:_LONGEST]
    yield from _not_taken(host)
    yield from _devices(host)
    yield from _storage(host)
    for field, name in _NAMESPACES.items():
        whose = (host.get(field) or "").partition(":")[0]
        if whose in ("host", "container"):
            yield f"{name} namespace of the {whose}"


def _not_taken(host: Mapping[str, Any]) -> Iterator[str]:
    if "ALL" not in map(capability, host.get("CapDrop") or ()):
        yield "capabilities of the engine's choice"
    options = {option.replace("=", ":") for option in host.get("SecurityOpt") or ()}
    if not options & {"no-new-privileges", "no-new-privileges:true"}:
        yield "new privileges"


def _devices(host: Mapping[str, Any]) -> Iterator[str]:
    for request in host.get("DeviceRequests") or ():
        yield f"device {request.get('Driver') or 'by request'}"
    for rule in host.get("DeviceCgroupRules") or ():
        yield f"device {rule}"
    for name in host.get("Sysctls") or ():
        yield f"sysctl {name}"
    if host.get("CgroupParent"):
        yield f"cgroup {host['CgroupParent']}"
    for group in host.get("GroupAdd") or ():
        yield f"group {group}"
    if host.get("PublishAllPorts"):
        yield "all ports published"


def _storage(host: Mapping[str, Any]) -> Iterator[str]:
    for bound in host.get("Binds") or ():
        if not bound.startswith("/"):  # those are among the mounts
            yield f"volume {bound.partition(':')[0][:12]}"
    for other in host.get("VolumesFrom") or ():
        yield f"volumes of {other}"
    for mount in host.get("Mounts") or ():
        options = (mount.get("VolumeOptions") or {}).get("DriverConfig") or {}
        named = mount.get("Source") or ""
        if options.get("Options") or _ANONYMOUS.fullmatch(named):
            yield f"volume {named[:12]}"
