"""A port of the host is one service's, whichever organization it is of.

Theory. Who was accepted with a port holds it until a generation without it is accepted, or its row
has gone: also while it is stopped, or replaced and for a moment nobody listens. Who holds it keeps
it: a newcomer is refused, and waits. Of several that wait, or were declared at the same moment and
are not judged yet, the one that was created first is the one. Should two hold it all the same (an
earlier release accepted them), the one that was Ready keeps it, else again the first; no container
is made for the other.

Other programs on the host are not known here: there the engine refuses the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resources.context import Context
from resources.effective import accepted, effective, fallback
from resources.errors import UserError
from resources.meta import Entry
from resources.service import problems
from resources.service.spec import Port, ServiceSpec

IN_USE = "CONFIGURATION_PORT_IN_USE"
EVERYWHERE = frozenset({"", "0.0.0.0", "::"})
READY, HOLDS, ASKS = range(3)
_Rank = tuple[int, float, str]


def named(entry: Entry) -> frozenset[int]:
    """The host ports that it holds or asks for."""
    specs = (effective(entry).spec, *_held(entry))
    return frozenset(p.host_port for spec in specs for p in _published(spec) if p.host_port)


def taken(context: Context, spec: ServiceSpec) -> UserError | None:
    """Why it may not have a port that it asks for, or None."""
    for index, port in enumerate(spec.ports):
        if port.host_port is None:
            continue
        if port.protocol == "tcp" and port.host_port in context.platform.own_ports:
            return problems.platform_port(index, port.host_port)
        if not context.rivals:
            continue
        mine = _rank(context.entry, port) or _order(context.entry, ASKS)
        for rival in context.rivals:
            theirs = _rank(rival, port)
            if theirs is not None and theirs < mine:
                return _in_use(context, index, port, rival)
    return None


def _rank(entry: Entry, port: Port) -> _Rank | None:
    """The lesser one has it. None: it neither has it nor is it about to."""
    if any(_clash(port, other) for spec in _held(entry) for other in _published(spec)):
        was_ready = entry.record.ready_generation is not None
        return _order(entry, READY if was_ready else HOLDS)
    found = effective(entry)
    if entry.resource.deleting or found.rejection is not None or not _asks(entry, port):
        return None
    asks = any(_clash(port, other) for other in _published(found.spec))
    return _order(entry, ASKS) if asks else None


def _asks(entry: Entry, port: Port) -> bool:
    """It is not judged yet, or waits for this very port. Who waits for something else stands in
    nobody's way."""
    status = entry.status or {}
    if status.get("observedGeneration") != entry.resource.generation:
        return True
    error = status.get("error") or {}
    waits: bool = error.get("code") == IN_USE and error["details"].get("hostPort") == port.host_port
    return waits


def _order(entry: Entry, standing: int) -> _Rank:
    at = entry.resource.created_at
    return standing, at.timestamp() if at is not None else 0.0, entry.resource.uid


def _held(entry: Entry) -> Iterator[Any]:
    """What was accepted, and what a failed rollout goes back to."""
    yield accepted(entry)
    yield fallback(entry)


def _published(spec: Any) -> Iterator[Port]:
    return (port for port in getattr(spec, "ports", ()) if port.host_port is not None)


def _clash(one: Port, other: Port) -> bool:
    if (one.host_port, one.protocol) != (other.host_port, other.protocol):
        return False
    addresses = {one.host_address or "", other.host_address or ""}
    return len(addresses) == 1 or not addresses.isdisjoint(EVERYWHERE)


def _in_use(context: Context, index: int, port: Port, rival: Entry) -> UserError:
    """Another organization's is not named."""
    number = f"host port {port.host_port}/{port.protocol}"
    details: dict[str, Any] = {
        "pointer": f"/spec/ports/{index}/hostPort",
        "hostPort": port.host_port,
        "protocol": port.protocol,
    }
    suggestions = ["use another hostPort", "leave hostPort out and use a Domain"]
    holder = "another service"
    if rival.key.organization == context.key.organization:
        holder = f"service {rival.key.name}"
        details["service"] = rival.key.name
        suggestions.append(f"free it: skyctl describe service/{rival.key.name}")
    return UserError(
        IN_USE,
        f"spec.ports[{index}].hostPort: {number} is in use by {holder}",
        details=details,
        suggestions=suggestions,
    )
