"""A container with our labels and our name that was made in another way than ours are.

Compared is what we set ourselves; and what we leave to the image, where that very image is known
(of a tag that has moved since, it is not). What a later release renders in addition is no
difference: it arrives with the next rollout. Nothing that is found here is shown but names: values
may be secret, and are somebody else's words. Whether a variable from a Secret has the right value
cannot be told here, only that it is there.
"""

from __future__ import annotations

from collections.abc import Iterator

from resources.container_spec import ContainerSpec
from resources.making import Made, Process, binding, digest
from resources.observed import Container, Image
from resources.service.drift import SECURITY, Difference

_SHOWN, _LONGEST = 5, 40


def differences(
    container: Container, spec: ContainerSpec, image: Image | None
) -> Iterator[Difference]:
    """image: what the reference means to the engine now."""
    made = container.made
    if made is None:
        return
    known = image.process if image is not None and image.id == container.image_id else None
    yield from _process(made.process, spec, known)
    yield from _openings(made, spec)


def _process(found: Process, spec: ContainerSpec, image: Process | None) -> Iterator[Difference]:
    entrypoint = spec.entrypoint or (image.entrypoint if image is not None else None)
    if entrypoint is not None and found.entrypoint != entrypoint:
        yield _difference("command", "another command")
    command = spec.command or (() if spec.entrypoint else image.command if image else None)
    if command is not None and found.command != command:
        yield _difference("args", "other arguments")
    user = spec.user or (image.user if image is not None else None)
    if user is not None and found.user != user:
        yield _difference("user", f"user {_clean(found.user) or 'of the image'}")
    if names := list(_variables(found, spec, image)):
        more = ", ..." if len(names) > _SHOWN else ""
        yield _difference("environment", f"environment {', '.join(names[:_SHOWN])}{more}")
    check = ("CMD", *spec.check.command) if spec.check else image.check if image else None
    if check is not None and found.check != check:
        yield _difference("healthCheck", "another health check")


def _variables(found: Process, spec: ContainerSpec, image: Process | None) -> Iterator[str]:
    wanted = {name: digest(value) for name, value in spec.environment.items()}
    for name in sorted({*wanted, *spec.sealed, *found.environment}):
        if name in spec.sealed:
            right = name in found.environment
        elif name in wanted:
            right = found.environment.get(name) == wanted[name]
        else:
            right = image is None or found.environment[name] == image.environment.get(name)
        if not right:
            yield _clean(name)


def _openings(made: Made, spec: ContainerSpec) -> Iterator[Difference]:
    inside = {f"{p.container_port}/{p.protocol}": p for p in spec.ports if p.host_port is not None}
    ports = (binding(p.host_address, str(p.host_port), port) for port, p in inside.items())
    if list(made.ports) != sorted(ports):
        yield _difference("ports", f"published {', '.join(map(_clean, made.ports)) or 'nothing'}")
    if made.read_only_root != spec.read_only_root:
        word = "read-only" if made.read_only_root else "writable"
        yield _difference("readOnlyRootFilesystem", f"{word} root filesystem")
    # One that is missing may be a default that its release did not know.
    wanted = {path: size or 0 for path, size in spec.tmpfs.items()}
    if any(wanted.get(path) != size for path, size in made.tmpfs.items()):
        yield _difference("tmpfs", "other tmpfs")
    for extra in sorted(set(made.capabilities) - set(spec.capabilities)):
        yield _difference(SECURITY, f"capability {_clean(extra)}")


def _difference(field: str, found: str) -> Difference:
    return Difference(field, found, "", "recreate")


def _clean(text: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "..."
