"""What the organization decides for its services: whether they run, what they may, what they get.

The newest declaration of the organization counts as soon as it is valid: suspending somebody
does not wait for a pass over the Organization. While the newest is invalid the last accepted
one stays in force.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from resources.effective import effective
from resources.memo import Memo
from resources.meta import Entry
from resources.observed import Limits
from resources.organization.security import Profile, allowed_capabilities
from resources.organization.spec import OrganizationSpec
from resources.quantity import MI, NANO
from resources.service.spec import Resources

CPU, MEMORY, PIDS = NANO // 2, 256 * MI, 256
"""Limits of a container where neither service nor organization name any."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """capabilities: all that a service may have. images: globs, empty: any image."""

    suspended: bool = False
    profile: Profile = "baseline"
    capabilities: frozenset[str] = frozenset()
    images: tuple[str, ...] = ()
    cpu: int = CPU
    memory: int = MEMORY
    pids: int = PIDS

    def limits(self, declared: Resources) -> Limits:
        """Always in force; memory and swap together are the memory limit: no extra swap."""
        memory = declared.memory or self.memory
        return Limits(
            nano_cpus=declared.cpu or self.cpu,
            memory=memory,
            pids=declared.pids or self.pids,
            memory_swap=memory,
        )

    def allows_image(self, reference: str) -> bool:
        """``*`` also matches ``/``. ``nginx`` is matched by ``nginx``, not by its long form."""
        return not self.images or any(_glob(p).match(reference) for p in self.images)


def tenancy(organization: Entry) -> Tenancy:
    spec: OrganizationSpec | None = effective(organization).spec
    if spec is None:
        return Tenancy()
    return _MEMO.get(organization.resource.uid, (spec,), lambda: _tenancy(spec))


def _tenancy(spec: OrganizationSpec) -> Tenancy:
    defaults, security = spec.defaults.resources, spec.security
    return Tenancy(
        suspended=spec.suspended,
        profile=security.profile,
        capabilities=allowed_capabilities(security.profile, security.allowed_capabilities),
        images=security.allowed_images,
        cpu=defaults.cpu or CPU,
        memory=defaults.memory or MEMORY,
        pids=defaults.pids or PIDS,
    )


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


_MEMO: Memo[Tenancy] = Memo()
