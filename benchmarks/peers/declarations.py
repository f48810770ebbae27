"""The fifty services as Compose files: what the controller asks of the engine, said in their words.

Taken from the recorded bodies, so that limits, hardening, restarts and logs are the same. Each
contestant's network has a subnet, as the controller's has.
"""

from __future__ import annotations

from typing import Any

from benchmarks.bare import Recorded


def compose(recorded: Recorded, services: int, subnet: str) -> dict[str, Any]:
    """Compose format 2.4, which both generations of Compose read."""
    host = recorded.container["HostConfig"]
    service = {
        **_common(recorded),
        "cpus": host["NanoCpus"] / 1e9,
        "mem_limit": host["Memory"],
        "memswap_limit": host["MemorySwap"],
        "pids_limit": host["PidsLimit"],
        "security_opt": host["SecurityOpt"],
        "restart": host["RestartPolicy"]["Name"],
    }
    return {
        "version": "2.4",
        "services": {f"s{number}": service for number in range(services)},
        "networks": {"default": {"ipam": {"config": [{"subnet": subnet}]}}},
    }


def stack(recorded: Recorded, services: int) -> dict[str, Any]:
    """Format 3.8, for ``docker stack deploy``. Without the kernel's IPVS there are no virtual
    addresses, so names are answered by DNS."""
    host = recorded.container["HostConfig"]
    limits = {"cpus": f"{host['NanoCpus'] / 1e9:g}", "memory": f"{host['Memory']}"}
    deploy = {
        "endpoint_mode": "dnsrr",
        "resources": {"limits": limits},
        "restart_policy": {"condition": "any"},
    }
    service = {**_common(recorded), "deploy": deploy}
    return {"version": "3.8", "services": {f"s{n}": service for n in range(services)}}


def _common(recorded: Recorded) -> dict[str, Any]:
    body, host = recorded.container, recorded.container["HostConfig"]
    logs = host["LogConfig"]
    return {
        "image": body["Image"],
        "init": host["Init"],
        "cap_drop": host["CapDrop"],
        "cap_add": host["CapAdd"],
        "read_only": host["ReadonlyRootfs"],
        "stop_grace_period": f"{body['StopTimeout']}s",
        "logging": {"driver": logs["Type"], "options": logs["Config"]},
        "labels": {name.replace("io.skypanel", "io.peer"): v for name, v in body["Labels"].items()},
    }
