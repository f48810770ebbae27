"""How a replica is doing, as far as anybody can tell.

The engine runs ``exec`` checks, we probe ``http`` and ``tcp`` from outside. What has not been
looked at yet is Unknown: that neither proves a replica ready nor gives a reason to replace it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from resources.observed import Container, Probe
from resources.service.spec import ServiceSpec
from resources.world import World

NONE, UNKNOWN, STARTING, HEALTHY, UNHEALTHY = "", "unknown", "starting", "healthy", "unhealthy"

SETTLE = 2.0
"""Seconds that a replica without a health check must run before its rollout counts on it."""
STEADY = 10.0
"""Seconds after which a restarted container counts as having recovered (the engine's own rule)."""
CRASHES = 3
"""Restarts from which on one speaks of a crash loop."""


@dataclass(frozen=True, slots=True)
class Health:
    """word: of the above, NONE when nothing is checked. since: when it became so, if known."""

    word: str
    since: datetime | None = None
    message: str = ""

    @property
    def good(self) -> bool:
        return self.word in (NONE, HEALTHY)


def health(container: Container, spec: ServiceSpec, world: World, *, current: bool) -> Health:
    """current: it runs the wanted revision, so the spec's check is meant for it. An old one is
    believed to serve unless the engine says otherwise, or a probe by its own check, which goes on
    while it is replaced."""
    check = spec.health_check
    probe = world.probe(container.id)
    if not current:
        return Health(container.health) if probe is None else _probed(probe)
    if check is None:
        return Health(container.health)
    if not check.from_outside:
        return Health(container.health or UNKNOWN)
    return Health(UNKNOWN) if probe is None else _probed(probe)


def _probed(probe: Probe) -> Health:
    return Health(probe.health, probe.since, probe.message)


def serves(container: Container, condition: Health) -> bool:
    return container.running and condition.good


def missing_proof(
    container: Container,
    condition: Health,
    spec: ServiceSpec,
    now: datetime,
    *,
    rolling: bool,
    looping: bool,
) -> float | None:
    """Seconds until the replica counts as proven, 0 when it does; None when only an event can
    tell. rolling: its generation has not proven itself yet, in whichever order it replaces another,
    or none: a process that dies at once must show. looping: it crashed again and again."""
    if finished(container, spec):
        return 0.0
    if not serves(container, condition):
        return None
    needed = spec.update.min_ready
    if condition.word == NONE and rolling:
        needed = max(needed, SETTLE)
    if container.restarts or looping:
        needed = max(needed, STEADY)
    since = max(filter(None, (container.started_at, condition.since)), default=None)
    if needed == 0:
        return 0.0
    if since is None:
        return needed
    return max(0.0, (since + timedelta(seconds=needed) - now).total_seconds())


def finished(container: Container, spec: ServiceSpec) -> bool:
    """It ended, as its restart policy wants it to."""
    if container.state != "exited":
        return False
    policy = spec.restart.policy
    return policy == "never" or (policy == "onFailure" and container.exit_code == 0)


def uptime(container: Container, now: datetime) -> float:
    if container.started_at is None or not container.running:
        return 0.0
    return max(0.0, (now - container.started_at).total_seconds())
