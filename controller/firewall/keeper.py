"""Looks at the host's firewall at each resync, and puts back what is missing where asked to: by
the settings, or by who installed it. What was installed and has gone as a whole is put back as it
was installed; what somebody changed within it is only told, unless the settings say ``keep``.

Theory: the rules are the host's, not a resource's, so no pass plans them. What was last seen is a
value that Organizations show as a condition; it changes only when the world does, so looking again
writes nothing. The first look is before the first pass: a controller that starts anew says what
the one before it said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from controller.engine.base import EngineInfo
from controller.firewall.boot import Boot
from controller.firewall.nft import CannotLook, Nft
from controller.firewall.resolvers import resolvers
from controller.firewall.rules import Policy, differences, parse_ports, ruleset
from controller.metrics import METRICS
from controller.settings import Settings
from resources import host_firewall
from resources.host_firewall import HostFirewall

log = structlog.get_logger("host-firewall")

SLICE_SECONDS = 1.0
_GAUGE = {True: 1, False: 0, None: -1}


def policy_of(settings: Settings) -> Policy:
    """As the settings and the host's resolver configuration want it. Reads files."""
    return Policy(parse_ports(settings.host_firewall_ports), resolvers())


@dataclass(frozen=True, slots=True)
class FirewallFinding:
    """differences: what is not as wanted, in words."""

    state: Literal["installed", "incomplete", "missing", "unknown"]
    verdict: HostFirewall
    differences: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()


async def examine(nft: Nft, policy: Policy) -> FirewallFinding:
    try:
        listing = await nft.listing()
    except CannotLook as error:
        return FirewallFinding(
            "unknown", host_firewall.unknown(error.message), suggestions=tuple(error.suggestions)
        )
    if listing is None:
        return FirewallFinding("missing", host_firewall.MISSING)
    if found := differences(listing, policy):
        return FirewallFinding("incomplete", host_firewall.incomplete(found), found)
    return FirewallFinding("installed", host_firewall.IN_PLACE)


class FirewallKeeper:
    """policy: asked at each look. here: is the engine on this host? None: not known yet, and then
    nothing is put back. changed: told when another verdict holds. seconds: between two looks.
    recorded: the rules that were installed to stay, None: none were."""

    def __init__(
        self,
        nft: Nft,
        policy: Callable[[], Policy],
        *,
        keep: bool,
        here: Callable[[], bool | None],
        changed: Callable[[], None],
        seconds: float,
        recorded: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._nft = nft
        self._policy = policy
        self._keep = keep
        self._here = here
        self._changed = changed
        self._seconds = seconds
        self._recorded = recorded
        self._looked: bool | None = None
        self._seen = FirewallFinding("unknown", host_firewall.unknown("nobody looked yet"))

    @property
    def verdict(self) -> HostFirewall:
        return host_firewall.ELSEWHERE if self._here() is False else self._seen.verdict

    async def run(self) -> None:
        """For ever; ``look`` was called before."""
        while True:
            await self._pause()
            await self.look()

    async def _pause(self) -> None:
        """Shorter when it became known where the engine is: the look before could put nothing
        back."""
        left = self._seconds
        while left > 0 and self._here() is self._looked:
            slice_ = min(SLICE_SECONDS, left)
            await asyncio.sleep(slice_)
            left -= slice_

    async def look(self) -> None:
        """And put back what is missing, if that is ours to do."""
        self._looked = here = self._here()
        policy = await asyncio.to_thread(self._policy)
        seen = await examine(self._nft, policy)
        if here and (text := await asyncio.to_thread(self._wanted, seen, policy)) is not None:
            seen = await self._put_back(text, policy, seen)
        before, self._seen = self._seen, seen
        METRICS.host_firewall.set(_GAUGE[self.verdict.closed])
        if seen.verdict != before.verdict:
            level = log.info if seen.verdict.closed else log.warning
            level("host firewall", state=seen.state, message=seen.verdict.message)
            self._changed()

    def _wanted(self, seen: FirewallFinding, policy: Policy) -> str | None:
        """What is to be loaded now. Reads a file."""
        if self._keep:
            return ruleset(policy) if seen.state in ("missing", "incomplete") else None
        return self._recorded() if seen.state == "missing" else None

    async def _put_back(self, text: str, policy: Policy, seen: FirewallFinding) -> FirewallFinding:
        try:
            await self._nft.load(text)
        except CannotLook as error:
            log.warning("host firewall not put back", reason=error.message)
            return seen
        METRICS.passes.drift.labels("Host", "firewall").inc()
        log.warning("host firewall put back", found=seen.state, differences=seen.differences)
        return await examine(self._nft, policy)


def keeper(
    settings: Settings,
    nft: Nft | None,
    engine: Callable[[], EngineInfo | None],
    *,
    changed: Callable[[], None],
) -> FirewallKeeper | None:
    """None where nobody wants to know. nft None: there is no host (simulations)."""
    if nft is None or settings.host_firewall == "off":
        return None

    def here() -> bool | None:
        info = engine()
        return None if info is None else info.reach == "host"

    return FirewallKeeper(
        nft,
        lambda: policy_of(settings),
        keep=settings.host_firewall == "keep",
        here=here,
        changed=changed,
        seconds=settings.resync_interval,
        recorded=Boot().recorded,
    )
