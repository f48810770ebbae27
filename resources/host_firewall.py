"""Are the host's own listeners closed to containers? What was seen, as every Organization tells it.

That a container reaches whatever its host listens on cannot be changed through an engine's API; it
takes rules in the host's firewall, which are somebody's to install. Not knowing is an answer of
its own: a controller without rights over the firewall cannot look.
"""

from __future__ import annotations

from dataclasses import dataclass

HOST_CLOSED = "HostClosed"
"""The condition's type."""


@dataclass(frozen=True, slots=True)
class HostFirewall:
    """closed: None when not known. reason: CamelCase."""

    closed: bool | None
    reason: str
    message: str


IN_PLACE = HostFirewall(
    True, "FirewallInstalled", "the host's own listeners are closed to containers"
)
MISSING = HostFirewall(
    False,
    "FirewallMissing",
    "containers reach what the host listens on; as root: skyctl host-firewall install",
)


def incomplete(differences: tuple[str, ...]) -> HostFirewall:
    """Some of the rules are not as they should be."""
    return HostFirewall(
        False,
        "FirewallIncomplete",
        f"the host's firewall is not as it should be ({differences[0]}"
        + (f" and {len(differences) - 1} more" if len(differences) > 1 else "")
        + "); as root: skyctl host-firewall install",
    )


def unknown(why: str) -> HostFirewall:
    return HostFirewall(
        None,
        "FirewallUnknown",
        f"whether containers reach what the host listens on is not known: {why}",
    )


ELSEWHERE = unknown(
    "the controller is not in the network of the engine's host; there: skyctl host-firewall status"
)
