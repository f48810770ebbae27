"""One replica as the engine shall have it: the declaration rendered, field by field.

Nothing is passed through. Whatever is not written here (privileges, host paths, devices,
namespaces, foreign labels) cannot be had, and what is dangerous by default is off: the engine
drops all capabilities but those listed, forbids new privileges, runs an init process and bounds
the logs for every container that it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from resources.container_spec import ContainerSpec, ExecCheck, FileContent, PortBinding
from resources.domain.container_labels import ContainerLabels
from resources.labels import (
    L_CONTROLLER,
    L_GENERATION,
    L_KIND,
    L_NAME,
    L_ORDINAL,
    L_ORGANIZATION,
    L_REVISION,
    L_ROLE,
    L_ROUTES,
    L_UID,
)
from resources.sealed import Sealed
from resources.service.capabilities import kept
from resources.service.spec import HealthCheck, ServiceSpec
from resources.service.values import environment_text
from resources.service.wanted import PRE_DEPLOY, Wanted
from resources.spec import SecretRef

MAX_HOSTNAME = 63


@dataclass(frozen=True, slots=True)
class Site:
    """Where and by whom. network: the engine's id of the organization's network. instance: ours.
    generation: the one that makes the container."""

    network: str
    instance: str
    generation: int


def remembered(wanted: Wanted, ordinal: int, site: Site) -> ContainerSpec:
    """``replica``, rendered once."""
    known = wanted.rendered.get(ordinal)
    if known is None or known[0] != site:
        known = wanted.rendered[ordinal] = (site, replica(wanted, ordinal, site))
    spec: ContainerSpec = known[1]
    return spec


def replica(wanted: Wanted, ordinal: int, site: Site) -> ContainerSpec:
    spec, key = wanted.spec, wanted.key
    return ContainerSpec(
        name=wanted.name(ordinal),
        image=spec.image,
        labels=labels(wanted, ordinal, site),
        network=site.network,
        aliases=(key.name,),
        limits=wanted.limits,
        restart=spec.restart.policy,
        entrypoint=spec.command,
        command=spec.args,
        working_dir=spec.working_dir,
        user=spec.user,
        environment=environment(spec),
        sealed=sealed(wanted),
        ports=tuple(
            PortBinding(p.container_port, p.protocol, p.host_port, p.host_address or "")
            for p in spec.ports
        ),
        mounts=wanted.mounts,
        volume_uids=wanted.volume_uids,
        tmpfs={mount.mount_path: mount.size for mount in spec.tmpfs},
        shm_size=spec.shm_size,
        files=files(wanted),
        check=exec_check(spec.health_check),
        stop_signal=spec.stop_signal,
        stop_grace=wanted.grace,
        capabilities=kept(spec, wanted.tenancy),
        read_only_root=spec.read_only_root_filesystem,
        hostname=hostname(key.name, str(ordinal)),
        users=wanted.routes.sealed,
    )


def one_off(wanted: Wanted, site: Site) -> ContainerSpec:
    """The preDeploy command: as a replica, but once, unpublished, without the service's name, and
    with writable volumes left out (the old replicas are still writing to them)."""
    base = replica(wanted, 0, site)
    assert wanted.spec.pre_deploy is not None
    mounts = tuple(mount for mount in base.mounts if mount.read_only)
    return replace(
        base,
        name=wanted.one_off_name,
        labels={**_identity(wanted, 0, site), **_unrouted(wanted), L_ROLE: PRE_DEPLOY},
        aliases=(),
        restart="never",
        entrypoint=wanted.spec.pre_deploy.command,
        command=None,
        ports=(),
        mounts=mounts,
        volume_uids={m.volume: base.volume_uids[m.volume] for m in mounts},
        check=None,
        hostname=hostname(wanted.key.name, "predeploy"),
        users={},
    )


def labels(wanted: Wanted, ordinal: int, site: Site) -> dict[str, str]:
    found = _identity(wanted, ordinal, site)
    return (
        {**found, **wanted.routes.plain, L_ROUTES: wanted.routes.text}
        if wanted.routes.on
        else found
    )


def _unrouted(wanted: Wanted) -> dict[str, str]:
    """Of what no request goes to."""
    nothing = ContainerLabels(on=True)
    return {**nothing.plain, L_ROUTES: nothing.text} if wanted.routes.on else {}


def _identity(wanted: Wanted, ordinal: int, site: Site) -> dict[str, str]:
    return {
        L_CONTROLLER: site.instance,
        L_ORGANIZATION: wanted.key.organization,
        L_KIND: wanted.key.kind,
        L_NAME: wanted.key.name,
        L_UID: wanted.uid,
        L_GENERATION: str(site.generation),
        L_REVISION: wanted.revision.label,
        L_ORDINAL: str(ordinal),
    }


def environment(spec: ServiceSpec) -> dict[str, str]:
    """Without those that come from Secrets."""
    return {
        name: environment_text(value)
        for name, value in spec.environment.items()
        if not isinstance(value, SecretRef)
    }


def sealed(wanted: Wanted) -> dict[str, Sealed]:
    """Variables that come from Secrets. No container is made while one of them is missing."""
    return {
        name: wanted.secrets[value.secret, value.key]
        for name, value in wanted.spec.environment.items()
        if isinstance(value, SecretRef) and (value.secret, value.key) in wanted.secrets
    }


def files(wanted: Wanted) -> tuple[FileContent, ...]:
    found = []
    for file in wanted.spec.files:
        if file.content is not None:
            found.append(FileContent(file.path, file.content, file.mode))
        elif (value := wanted.secrets.get((file.secret or "", file.key or ""))) is not None:
            found.append(FileContent(file.path, "", file.mode, value))
    return tuple(found)


def exec_check(check: HealthCheck | None) -> ExecCheck | None:
    """http and tcp are probed from outside, so the engine is told of none."""
    if check is None or check.exec is None:
        return None
    return ExecCheck(check.exec, check.interval, check.timeout, check.retries, check.start_period)


def hostname(service: str, suffix: str) -> str:
    """``web-0``; a long name loses its end."""
    return f"{service[: MAX_HOSTNAME - len(suffix) - 1].rstrip('-')}-{suffix}"
