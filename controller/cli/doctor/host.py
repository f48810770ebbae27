"""The engine's host: room for organizations' networks, host ports, the listening address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from controller.cli.doctor.check import Check, note, ok, problem, warning
from controller.cli.doctor.docker import EngineFacts
from controller.engine.docker import host
from controller.settings import Settings
from resources.observed import Network

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def examine(
    settings: Settings, engine: EngineFacts | None, *, running: bool = False
) -> list[Check]:
    """running: the controller of this state directory answers, or nobody has asked it."""
    found = [_pool(settings, engine), _host_ports(settings)]
    found += _listener(settings, running)
    return found


def _networks(engine: EngineFacts | None) -> list[Network]:
    return [_network(raw) for raw in engine.networks] if engine is not None else []


def _network(raw: Mapping[str, Any]) -> Network:
    subnets = tuple(
        str(config["Subnet"])
        for config in (raw.get("IPAM") or {}).get("Config") or ()
        if config.get("Subnet")
    )
    return Network(str(raw.get("Id")), str(raw.get("Name")), raw.get("Labels") or {}, subnets)


def _pool(settings: Settings, engine: EngineFacts | None) -> Check:
    name = "network pool"
    pool = ipaddress.ip_network(settings.network_pool)
    room: int = 2 ** (settings.network_prefix - pool.prefixlen)
    text = f"{pool}: room for {room} organizations with a /{settings.network_prefix} each"
    if engine is None or not engine.endpoint.loopback:
        return ok(name, f"{text} (routes of the engine's host are not known here)")
    return _against_routes(name, pool, text, host.routed(_networks(engine)))


def _against_routes(name: str, pool: Any, text: str, routes: Sequence[str]) -> Check:
    clashing = [r for r in routes if ipaddress.ip_network(r).overlaps(pool)]
    whole = [r for r in clashing if pool.subnet_of(ipaddress.ip_network(r))]
    advice = "choose another: SKYCTL_NETWORK_POOL"
    if whole:
        return problem(name, f"{pool} lies within {', '.join(whole)}, which is routed here", advice)
    if clashing:
        return warning(name, f"{text}; {', '.join(clashing)} is routed here and left out", advice)
    return ok(name, f"{text}, no route of this host overlaps")


def _host_ports(settings: Settings) -> Check:
    name = "host ports"
    range_ = settings.host_port_range
    if range_ is None:
        return note(name, "no service may publish one", "to allow some: SKYCTL_HOST_PORTS=LOW-HIGH")
    low, high = range_
    try:
        first, last = (int(part) for part in _EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        first, last = 65536, 65536
    if low <= last and first <= high:
        return warning(
            name,
            f"{low}-{high} overlaps the ports {first}-{last} that the kernel gives to clients",
            "choose a range outside of it, or change net.ipv4.ip_local_port_range",
        )
    return ok(name, f"services may publish {low}-{high}")


def _listener(settings: Settings, running: bool) -> list[Check]:
    """Taken by our own controller is as it should be: then /healthz answers."""
    name, listen = "metrics address", settings.listen
    if not listen:
        return [note(name, "none: /metrics, /healthz and /readyz are on the socket only")]
    address, _, port = listen.rpartition(":")
    address = address.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        return [problem(name, f"SKYCTL_LISTEN is {listen!r}", "write HOST:PORT")]
    try:
        found = socket.getaddrinfo(address, int(port), type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(found[0], socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        advice = "free the port, or choose another: --listen or SKYCTL_LISTEN"
        if not _ours(address, int(port)):
            return [problem(name, f"cannot listen on {listen}: {error.strerror or error}", advice)]
        if not running:
            return [problem(name, f"a controller elsewhere on this host has {listen}", advice)]
        return [ok(name, f"{listen} answers")]
    return [ok(name, f"{listen} is free")]


def _ours(address: str, port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read() == b"ok\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
