"""Are the host's own listeners closed to containers?"""

from __future__ import annotations

from controller.cli.doctor.check import Check, note, ok, warning
from controller.cli.doctor.docker import EngineFacts
from controller.firewall.keeper import examine as look
from controller.firewall.keeper import policy_of
from controller.firewall.nft import Nft
from controller.settings import Settings

_NAME = "host firewall"


async def examine(
    settings: Settings, engine: EngineFacts | None, nft: Nft | None = None
) -> list[Check]:
    if settings.host_firewall == "off":
        return [note(_NAME, "not looked at (SKYCTL_HOST_FIREWALL=off)")]
    if engine is not None and not engine.endpoint.loopback:
        return [
            note(
                _NAME,
                "the engine is on another host; whether its listeners are closed to containers "
                "is not known here",
                "there, as root: skyctl host-firewall status",
            )
        ]
    policy = policy_of(settings)
    seen = await look(nft or Nft(), policy)
    if seen.state == "unknown":
        return [note(_NAME, seen.verdict.message, *seen.suggestions)]
    if seen.state == "installed":
        left = ", ".join(str(port) for port in policy.ports) or "nothing"
        return [ok(_NAME, f"the host's listeners are closed to containers, but for {left}")]
    found = "; ".join(seen.differences) or "the rules are not there"
    return [
        warning(
            _NAME,
            f"containers reach what this host listens on, through their gateways: {found}",
            "as root: skyctl host-firewall install",
        )
    ]
