"""A ``ContainerSpec`` as the engine's create request. All of it is ours; nothing is passed through.

Every container is created with all capabilities dropped but those listed, without new privileges,
with an init, limits always in force, no swap beyond memory, bounded logs, and attached to exactly
one network by id. A missing named volume is made by the engine itself: it then carries our
``phantom`` label and never the uid, so that CheckVolumes tells it from the real one. The image's
own HEALTHCHECK stays in force when the spec has none: it is the author's word on the image.
"""

from __future__ import annotations

from typing import Any

from controller.engine.docker.convert import TO_POLICY
from resources.container_spec import ContainerSpec, ExecCheck, PortBinding
from resources.labels import L_CONTROLLER, L_PHANTOM
from resources.observed import Limits, Mount
from resources.steps import CreateNetwork

LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
BRIDGE_NAME = "com.docker.network.bridge.name"


def container(spec: ContainerSpec) -> dict[str, Any]:
    body: dict[str, Any] = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Env": [f"{name}={value}" for name, value in sorted(spec.environment.items())],
        "ExposedPorts": {_port(p): {} for p in spec.ports},
        "StopTimeout": spec.stop_grace,
        "HostConfig": _host(spec),
        "NetworkingConfig": {
            "EndpointsConfig": {spec.network: {"Aliases": list(spec.aliases)}},
        },
    }
    # As in Kubernetes an empty list is none. The engine drops the image's CMD by itself
    # when an entrypoint is given without one.
    optional = {
        "Entrypoint": list(spec.entrypoint or ()),
        "Cmd": list(spec.command or ()),
        "WorkingDir": spec.working_dir,
        "User": spec.user,
        "Hostname": spec.hostname,
        "StopSignal": spec.stop_signal,
        "Healthcheck": _check(spec.check) if spec.check else None,
    }
    body.update({name: value for name, value in optional.items() if value})
    return body


def _host(spec: ContainerSpec) -> dict[str, Any]:
    host: dict[str, Any] = {
        **limits(spec.limits),
        "Init": True,
        "CapDrop": ["ALL"],
        "CapAdd": sorted(spec.capabilities),
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": spec.read_only_root,
        "RestartPolicy": restart(spec.restart),
        "LogConfig": LOGS,
        "NetworkMode": spec.network,
        "PortBindings": {
            _port(p): [{"HostIp": p.host_address or "0.0.0.0", "HostPort": str(p.host_port)}]
            for p in spec.ports
            if p.host_port is not None
        },
        "Mounts": [_mount(m, spec.labels.get(L_CONTROLLER, "")) for m in spec.mounts],
        "Tmpfs": {path: f"size={size}" if size else "" for path, size in spec.tmpfs.items()},
    }
    if spec.shm_size:
        host["ShmSize"] = spec.shm_size
    return host


def limits(wanted: Limits) -> dict[str, int]:
    """Memory and swap are equal: a container that outgrows its memory is killed, not swapped."""
    return {
        "NanoCpus": wanted.nano_cpus,
        "Memory": wanted.memory,
        "MemorySwap": wanted.memory_swap or wanted.memory,
        "PidsLimit": wanted.pids,
    }


def restart(policy: str) -> dict[str, Any]:
    return {"Name": TO_POLICY[policy], "MaximumRetryCount": 0}


def network(step: CreateNetwork) -> dict[str, Any]:
    return {
        "Name": step.name,
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Internal": step.internal,
        "Labels": dict(step.labels),
        "IPAM": {"Config": [{"Subnet": step.subnet}]},
        "Options": {BRIDGE_NAME: step.bridge} if step.bridge else {},
    }


def _port(port: PortBinding) -> str:
    return f"{port.container_port}/{port.protocol}"


def _mount(mount: Mount, controller: str) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": mount.volume,
        "Target": mount.path,
        "ReadOnly": mount.read_only,
        "VolumeOptions": {"Labels": {L_CONTROLLER: controller, L_PHANTOM: "true"}},
    }


def _check(check: ExecCheck) -> dict[str, Any]:
    """The engine inherits what is zero from the image, so nothing is zero."""
    return {
        "Test": ["CMD", *check.command],
        "Interval": _nanoseconds(check.interval),
        "Timeout": _nanoseconds(check.timeout),
        "Retries": max(1, check.retries),
        "StartPeriod": _nanoseconds(check.start_period),
    }


def _nanoseconds(seconds: float) -> int:
    return max(1_000_000, int(seconds * 1_000_000_000))
