"""What must hold across the fields of a Service. Each rule complains at the field to change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from resources.service.complaints import Complaints

if TYPE_CHECKING:
    from resources.service.spec import ServiceSpec

Rule = Callable[["ServiceSpec", Complaints], None]


def check(spec: ServiceSpec) -> None:
    """Raises ValidationError with every fault found, each at its place."""
    complaints = Complaints()
    for rule in RULES:
        rule(spec, complaints)
    complaints.finish("Service")


def _database(spec: ServiceSpec, complaints: Complaints) -> None:
    if spec.type != "database":
        return
    if spec.replicas > 1:
        complaints.add(("replicas",), "a database has one replica", spec.replicas)
    if not any(not mount.read_only for mount in spec.volumes):
        complaints.add(
            ("volumes",), "a database needs a writable volume, or its data goes with the container"
        )
    if spec.update.order == "startFirst":
        complaints.add(("update", "order"), "a database is updated stopFirst", spec.update.order)


def _one_check(spec: ServiceSpec, complaints: Complaints) -> None:
    check = spec.health_check
    if check is None:
        return
    given = [name for name in ("exec", "http", "tcp") if getattr(check, name) is not None]
    if len(given) != 1:
        found = f"not {' and '.join(given)}" if given else "none is given"
        complaints.add(("healthCheck",), f"needs exactly one of exec, http, tcp; {found}")


def _file_content(spec: ServiceSpec, complaints: Complaints) -> None:
    for index, file in enumerate(spec.files):
        place = ("files", index)
        if (file.secret is None) != (file.key is None):
            missing = "key" if file.key is None else "secret"
            complaints.add((*place, missing), "secret and key belong together")
        elif (file.content is None) == (file.secret is None):
            complaints.add(place, "needs either content, or secret and key")
    if spec.files and spec.read_only_root_filesystem:
        complaints.add(
            ("files",),
            "files cannot be placed while readOnlyRootFilesystem is true: the engine refuses",
        )


def _paths(spec: ServiceSpec, complaints: Complaints) -> None:
    """Two mounts on one path hide each other; a file below a mount would land in its data."""
    mounts = [(("volumes", i, "mountPath"), m.mount_path) for i, m in enumerate(spec.volumes)]
    mounts += [(("tmpfs", i, "mountPath"), m.mount_path) for i, m in enumerate(spec.tmpfs)]
    _unique(mounts, complaints, "another mount has this path")
    files = [(("files", i, "path"), f.path) for i, f in enumerate(spec.files)]
    _unique(files, complaints, "another file has this path")
    for place, path in files:
        for _, mount in mounts:
            if path == mount or path.startswith(mount + "/"):
                complaints.add(place, f"lies in the mount {mount}", path)


def _ports(spec: ServiceSpec, complaints: Complaints) -> None:
    ports = list(enumerate(spec.ports))
    _unique(
        [(("ports", i, "containerPort"), (p.container_port, p.protocol)) for i, p in ports],
        complaints,
        "another entry has this port and protocol",
    )
    _unique(
        [(("ports", i, "name"), p.name) for i, p in ports if p.name is not None],
        complaints,
        "another port has this name",
    )
    published = [(i, p) for i, p in ports if p.host_port is not None]
    _unique(
        [(("ports", i, "hostPort"), (p.host_port, p.protocol)) for i, p in published],
        complaints,
        "another entry has this host port and protocol",
    )
    for index, port in ports:
        if port.host_address is not None and port.host_port is None:
            complaints.add(("ports", index, "hostAddress"), "has no meaning without hostPort")
    if published and spec.replicas > 1:
        place = ("ports", published[0][0], "hostPort")
        complaints.add(place, f"one container can hold it, but there are {spec.replicas} replicas")
    if published and spec.update.order == "startFirst":
        complaints.add(
            ("update", "order"), "startFirst cannot work with hostPort: use auto or stopFirst"
        )


def _update(spec: ServiceSpec, complaints: Complaints) -> None:
    if spec.update.min_ready >= spec.update.progress_deadline:
        complaints.add(("update", "minReady"), "must be less than progressDeadline")


def _names(spec: ServiceSpec, complaints: Complaints) -> None:
    _unique(
        [(("dependsOn", i), name) for i, name in enumerate(spec.depends_on)],
        complaints,
        "is named twice",
    )
    _unique(
        [(("capabilities", i), name) for i, name in enumerate(spec.capabilities)],
        complaints,
        "is named twice",
    )


def _unique(
    values: Iterable[tuple[tuple[str | int, ...], Any]], complaints: Complaints, message: str
) -> None:
    seen: set[Any] = set()
    for place, value in values:
        if value in seen:
            complaints.add(place, message, value)
        seen.add(value)


RULES: tuple[Rule, ...] = (
    _database,
    _one_check,
    _file_content,
    _paths,
    _ports,
    _update,
    _names,
)
