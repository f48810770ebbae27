"""Ports of this host, before a proxy is started on them.

Our proxies share their ports with each other, so that one can take the place of another; whoever
else has a port must be found by asking for it alone.
"""

from __future__ import annotations

import errno
import socket
from contextlib import closing

from resources.errors import UserError

IN_USE, DENIED = "CONFIGURATION_PORT_IN_USE", "CONFIGURATION_PORT_DENIED"


def require(address: str, port: int, setting: str) -> None:
    """address: '' is every one. Raises UserError CONFIGURATION_PORT_*."""
    try:
        _bind(address, port)
    except OSError as error:
        raise _refusal(error, address, port, setting) from error


def _bind(address: str, port: int) -> None:
    v6 = ":" in address or (not address and socket.has_dualstack_ipv6())
    family = socket.AF_INET6 if v6 else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if v6 and not address:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind((address, port))
        probe.listen(1)


def _refusal(error: OSError, address: str, port: int, setting: str) -> UserError:
    where = f"port {port}" + (f" of {address}" if address else "")
    if error.errno == errno.EADDRINUSE:
        return UserError(
            IN_USE,
            f"{where} is taken by another program, so Traefik cannot be started",
            details={"port": port},
            suggestions=[f"free it, or choose another: {setting}"],
            retryable=True,
        )
    if error.errno == errno.EACCES:
        return UserError(
            DENIED,
            f"we may not listen on {where}, so Traefik cannot be started",
            details={"port": port},
            suggestions=[
                "run as root, or: sysctl net.ipv4.ip_unprivileged_port_start=80",
                f"or choose a port above 1023: {setting}",
            ],
            retryable=True,
        )
    return UserError(
        IN_USE,
        f"Traefik cannot listen on {where}: {error.strerror or error}",
        details={"port": port},
        suggestions=["check SKYCTL_INGRESS_ADDRESS"],
        retryable=True,
    )


def free_port() -> int:
    """On the loopback; nobody had it a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
