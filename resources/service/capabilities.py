"""Which kernel capabilities a container keeps after all were dropped.

``baseline`` keeps what the entrypoints of stock images need in order to take over their files and
then drop root (``chown``, ``gosu``, ``nginx -g 'user ...'``), signal their children and bind low
ports. That is the Pod Security Standards' baseline without what hardly anything uses: writing
audit records, making devices, setting file capabilities, changing root, raw sockets. A service
asks for more by name. ``restricted`` keeps none, and the process must not be root.
"""

from __future__ import annotations

from resources.organization.security import Profile
from resources.service.spec import ServiceSpec
from resources.service.tenancy import Tenancy

KEPT: dict[Profile, tuple[str, ...]] = {
    "restricted": (),
    "baseline": (
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "KILL",
        "NET_BIND_SERVICE",
        "SETGID",
        "SETUID",
    ),
}


def requested(spec: ServiceSpec, tenancy: Tenancy) -> tuple[str, ...]:
    """Those declared and allowed, sorted: an organization that tightens takes them away."""
    return tuple(sorted(set(spec.capabilities) & tenancy.capabilities))


def kept(spec: ServiceSpec, tenancy: Tenancy) -> tuple[str, ...]:
    return tuple(sorted({*KEPT[tenancy.profile], *requested(spec, tenancy)}))


def may_be_root(user: str | None) -> bool:
    """Only a number other than 0 proves that it is not: a name may stand for anything, and so may
    digits of other scripts, which the engine takes for a name."""
    name = (user or "").partition(":")[0]
    return not (name.isascii() and name.isdecimal() and int(name) != 0)
