"""What can be wrong with a service, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from resources.context import Context
from resources.errors import UserError
from resources.finding import Path, nearest, pointer
from resources.finding import place as shown_place
from resources.labels import L_CONTROLLER
from resources.meta import Entry
from resources.observed import Container, Ending

UNRESOLVED = frozenset(
    {"RESOURCE_NOT_FOUND", "SECRET_NOT_FOUND", "SECRET_KEY_NOT_FOUND", "SECRET_NOT_READY"}
)
"""Codes that mean: a reference does not resolve."""


def missing(context: Context, kind: str, name: str, place: str) -> UserError:
    where = "" if kind == "Organization" else f" in organization {context.key.organization}"
    return UserError(
        "RESOURCE_NOT_FOUND",
        f"{place}: there is no {kind} {name}{where}",
        details={"kind": kind, "name": name, "pointer": _pointer(place)},
        suggestions=[f"create the {kind} {name}", f"correct {place}", _listed(context, kind)],
    )


def _listed(context: Context, kind: str) -> str:
    where = "" if kind == "Organization" else f" --org {context.key.organization}"
    return f"see which there are: skyctl get {kind.lower()}s{where}"


def secret_missing(context: Context, name: str, path: Path) -> UserError:
    return UserError(
        "SECRET_NOT_FOUND",
        f"{shown_place(path)}: there is no Secret {name} in organization "
        f"{context.key.organization}",
        details={"kind": "Secret", "name": name, "pointer": pointer(path)},
        suggestions=[
            f"create the Secret {name}",
            f"see which there are: skyctl get secrets --org {context.key.organization}",
        ],
    )


def secret_key_missing(name: str, key: str, known: Iterable[str], path: Path) -> UserError:
    there = sorted(known)
    meant = nearest(key, there)
    listed = ", ".join(there[:10]) + (", ..." if len(there) > 10 else "")
    has = f"it has {listed}" if there else "it has none"
    return UserError(
        "SECRET_KEY_NOT_FOUND",
        f"{shown_place(path)}: Secret {name} has no key {key}"
        + (f": did you mean {meant}?" if meant else f"; {has}"),
        details={"kind": "Secret", "name": name, "key": key, "pointer": pointer(path)},
        suggestions=[f"write {meant}"] if meant else [f"add {key} to the Secret {name}"],
    )


def secret_not_ready(entry: Entry, path: Path) -> UserError:
    """Nothing of it was accepted yet."""
    error = (entry.status or {}).get("error")
    name = entry.key.name
    why = f": {error['message']}" if error else "; that is about to change"
    return UserError(
        "SECRET_NOT_READY",
        f"{shown_place(path)}: Secret {name} has no value in force yet{why}",
        details={"kind": "Secret", "name": name, "pointer": pointer(path)},
        suggestions=[f"see why: skyctl describe secret/{name} --org {entry.key.organization}"],
        retryable=not error or bool(error["retryable"]),
    )


def leaving(context: Context, name: str, place: str) -> UserError:
    return UserError(
        "RESOURCE_CONFLICT",
        f"{place}: Volume {name} is being deleted",
        details={"kind": "Volume", "name": name, "pointer": _pointer(place)},
        suggestions=["use another Volume", "wait until it is gone, then create it again"],
    )


def root(subject: str, user: str) -> UserError:
    return UserError(
        "ACCESS_ROOT_DENIED",
        f"{subject}, and the organization's profile is restricted: "
        "only a numeric user other than 0 is allowed",
        details={"pointer": "/spec/user", "user": user},
        suggestions=["set spec.user to a number, like '1000'"],
    )


SETTING = "SKYCTL_HOST_PORTS, or hostPorts of the CaasConfiguration"


def host_port(index: int, port: int, allowed: tuple[int, int] | None) -> UserError:
    within = "none are allowed here" if allowed is None else f"{allowed[0]} to {allowed[1]} are"
    return UserError(
        "ACCESS_HOST_PORT_DENIED",
        f"spec.ports[{index}].hostPort: host port {port} is not allowed; {within}",
        details={"pointer": f"/spec/ports/{index}/hostPort", "hostPort": port},
        suggestions=[
            "leave hostPort out and use a Domain",
            f"ask the platform for {port}: {SETTING}",
        ],
    )


def platform_port(index: int, port: int) -> UserError:
    return UserError(
        "ACCESS_HOST_PORT_DENIED",
        f"spec.ports[{index}].hostPort: host port {port} is the platform's own",
        details={"pointer": f"/spec/ports/{index}/hostPort", "hostPort": port},
        suggestions=["leave hostPort out and use a Domain", "use another hostPort"],
    )


def volume_lost(organization: str, name: str, engine_name: str, *, gone: bool) -> UserError:
    found = "is gone from the engine" if gone else "was replaced by another on the engine"
    return UserError(
        "STORAGE_VOLUME_LOST",
        f"volume {name} ({engine_name}) {found}; nothing is started on an empty one",
        details={"volume": name, "engineName": engine_name},
        suggestions=[
            f"bring the volume {engine_name} back",
            f"see what was known of it: skyctl describe volume/{name} --org {organization}",
            "delete the Volume and create it again, if its data may be empty",
        ],
    )


def _pointer(place: str) -> str:
    return "/" + place.replace("[", "/").replace("]", "").replace(".", "/")


def name_taken(name: str, other: Container) -> UserError:
    """A container with the name that we want, which is not ours: it stays untouched."""
    whose = other.labels.get(L_CONTROLLER)
    owner = f"it belongs to controller {whose}" if whose else "it is not ours"
    return UserError(
        "RESOURCE_CONFLICT",
        f"container {name} is in the way: {owner}",
        details={"container": name, "id": other.id, "image": other.image},
        suggestions=[f"docker rm -f {name}", f"docker rename {name} SOMETHING-ELSE"],
    )


def image_missing(reference: str) -> UserError:
    return UserError(
        "IMAGE_NOT_FOUND",
        f"image {reference} is not on the engine, and imagePullPolicy is Never",
        details={"image": reference},
        suggestions=["bring the image onto the engine", "set imagePullPolicy: IfNotPresent"],
    )


def pre_deploy_failed(result: str) -> UserError:
    return UserError(
        "DEPLOYMENT_PREDEPLOY_FAILED",
        f"the preDeploy command failed: {result}; nothing was rolled out",
        details={"result": result},
        suggestions=["skyctl logs service/NAME --previous", "correct it and apply again"],
    )


def deadline(reason: str) -> UserError:
    return UserError(
        "DEPLOYMENT_DEADLINE",
        f"the rollout was stopped: {reason}",
        details={"reason": reason},
        suggestions=[
            "skyctl logs service/NAME",
            "correct the spec and apply again",
            "raise update.progressDeadline, if it needs longer to start",
        ],
    )


def never_healthy(name: str, reason: str) -> UserError:
    return UserError(
        "DEPLOYMENT_UNHEALTHY",
        f"the rollout was stopped: {reason}",
        details={"container": name, "reason": reason},
        suggestions=["skyctl logs service/NAME", "check healthCheck in the spec"],
    )


def crashed(container: Container, reason: str, ending: Ending) -> UserError:
    """A rollout's replica that does not stay up."""
    return UserError(
        "DEPLOYMENT_CRASH_LOOP",
        f"the rollout was stopped: {reason}",
        details={"reason": reason, **_ended(container.name, container.restarts, ending)},
        suggestions=_after_crash(ending),
    )


def _ended(container: str, restarts: int, ending: Ending) -> dict[str, Any]:
    return {
        "container": container,
        "restarts": restarts,
        "exitCode": ending.exit_code,
        "oomKilled": ending.oom_killed,
        "logTail": ending.tail,
    }


def _after_crash(ending: Ending) -> list[str]:
    found = ["skyctl logs service/NAME --previous"]
    return ["raise resources.memory", *found] if ending.oom_killed else found


def crash_loop(name: str, restarts: int, ending: Ending) -> UserError:
    ended = "ran out of memory" if ending.oom_killed else f"exits with code {ending.exit_code}"
    if ending.exit_code is None and not ending.oom_killed:
        ended = "keeps ending"
    return UserError(
        "DEPLOYMENT_CRASH_LOOP",
        f"container {name} {ended}; it was restarted {restarts} times",
        details=_ended(name, restarts, ending),
        suggestions=_after_crash(ending),
        retryable=True,
    )


def failed_run(name: str, exit_code: int | None) -> UserError:
    return UserError(
        "DEPLOYMENT_FAILED",
        f"container {name} ended with exit code {exit_code} and is not restarted",
        details={"container": name, "exitCode": exit_code},
        suggestions=["skyctl logs service/NAME", "skyctl restart service/NAME"],
    )


def unhealthy(name: str, message: str) -> UserError:
    return UserError(
        "DEPLOYMENT_UNHEALTHY",
        f"container {name} fails its health check" + (f": {message}" if message else ""),
        details={"container": name},
        suggestions=["skyctl logs service/NAME", "check healthCheck in the spec"],
        retryable=True,
    )


def detached(name: str, network: str) -> UserError:
    return UserError(
        "DEPLOYMENT_DETACHED",
        f"container {name} runs, but is not on the network {network}: nobody reaches it",
        details={"container": name, "network": network},
        suggestions=["if it is paused: skyctl resume service/NAME", "set driftPolicy: heal"],
        retryable=True,
    )


def image_labels(container: Container) -> UserError:
    """Its image has labels of Traefik's, which its containers inherit."""
    return UserError(
        "DEPLOYMENT_IMAGE_LABELS",
        f"the image {container.image} carries labels of Traefik's, which are the platform's to set",
        details={"image": container.image},
        suggestions=["build the image without labels that begin with 'traefik.'"],
    )
