"""What the engine refused, in the shape that users see: one table, first match wins.

The engine's status codes are too coarse (500 stands for a busy port, a dead registry and a
mistyped user alike), so its words decide beside the status. The words quoted here were seen from
20.10 to 26. What no rule knows is retryable, unless the engine called the request itself bad.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.errors import UserError
from resources.labels import L_UID
from resources.observed import Volume

UNREACHABLE = "CONFIGURATION_ENGINE_UNREACHABLE"


@dataclass(frozen=True, slots=True)
class Rule:
    """operation: its name, or '' for every one. statuses empty: every one. words: a regular
    expression searched in the engine's message, caseless. {subject} and {reason} are filled."""

    operation: str
    statuses: tuple[int, ...]
    words: str
    code: str
    retryable: bool
    message: str
    suggestions: tuple[str, ...] = ()

    def matches(self, operation: str, status: int, message: str) -> bool:
        return (
            self.operation in ("", operation)
            and (not self.statuses or status in self.statuses)
            and re.search(self.words, message, re.IGNORECASE) is not None
        )


_REGISTRY = (
    "no such host|connection refused|i/o timeout|timeout|x509|tls:|server misbehaving|"
    "network is unreachable|no route to host|connection reset|unexpected EOF|: EOF|"
    "proxyconnect|temporary failure|50[0234] "
)
_BAD_COMMAND = (
    "no such file or directory|executable file not found|permission denied|unable to find user|"
    "exec format error|not a directory|is a directory|no matching entries|invalid argument"
)
_CHECK_IMAGE = "check the image's name and tag"

RULES: tuple[Rule, ...] = (
    # -- pulls
    Rule(
        "pull_image", (), "no space left|disk quota", "IMAGE_DISK_FULL", True,
        "there is no space left on the engine for {subject}",
        ("free space on the engine's disk", "remove images that nothing uses"),
    ),
    Rule(
        "pull_image", (), "toomanyrequests|rate limit|429", "IMAGE_RATE_LIMITED", True,
        "the registry limits how often {subject} may be pulled",
        ("wait", "give registry credentials with imagePullSecret"),
    ),
    Rule(
        "pull_image", (), "pull access denied|repository does not exist",
        "IMAGE_NOT_FOUND", False,
        "{subject} does not exist, or its registry wants credentials to show it",
        (_CHECK_IMAGE, "give registry credentials with imagePullSecret"),
    ),
    Rule(
        "pull_image", (), "incorrect username|invalid username|wrong password|bad credentials",
        "IMAGE_CREDENTIALS_REFUSED", False,
        "the registry refuses {subject} to the username and password that it was given",
        ("correct the Secret that imagePullSecret names", "sign in by hand to try them"),
    ),
    Rule(
        "pull_image", (), "unauthorized|authentication required|no basic auth|access denied|denied",
        "IMAGE_PULL_UNAUTHORIZED", False,
        "the registry refuses to give {subject} without credentials",
        ("give registry credentials with imagePullSecret", _CHECK_IMAGE),
    ),
    Rule(
        "pull_image", (), "no matching manifest|does not match the specified platform",
        "IMAGE_NOT_FOUND", False,
        "{subject} has no build for the engine's platform",
        ("choose an image built for this platform",),
    ),
    Rule(
        "pull_image", (), "manifest unknown|manifest for .* not found|not found|no such image",
        "IMAGE_NOT_FOUND", False, "{subject} does not exist", (_CHECK_IMAGE,),
    ),
    Rule(
        "pull_image", (), "invalid reference|invalid tag|must be lowercase",
        "IMAGE_REFERENCE_INVALID", False,
        "{subject} is not the name of an image: {reason}", (_CHECK_IMAGE,),
    ),
    Rule(
        "pull_image", (), _REGISTRY, "IMAGE_REGISTRY_UNREACHABLE", True,
        "the registry of {subject} cannot be reached: {reason}",
        ("check the registry's name", "check the engine's network, DNS and proxy"),
    ),
    Rule(
        "pull_image", (), "", "IMAGE_PULL_FAILED", True,
        "{subject} could not be pulled: {reason}", (_CHECK_IMAGE,),
    ),
    # -- everywhere
    Rule(
        "", (), "no space left on device", "RESOURCE_DISK_FULL", True,
        "there is no space left on the engine", ("free space on the engine's disk",),
    ),
    Rule(
        "", (404,), "no such image", "IMAGE_NOT_FOUND", True,
        "the engine does not have {subject}'s image", (_CHECK_IMAGE,),
    ),
    Rule(
        "", (), "port is already allocated|address already in use|ports are not available",
        "CONFIGURATION_PORT_IN_USE", True,
        "a host port of {subject} is in use: {reason}",
        ("choose another hostPort", "stop what listens on that port"),
    ),
    Rule(
        "", (409,), "name .* is already in use|network with name .* already exists",
        "RESOURCE_CONFLICT", True,
        "something else on the engine has the name {subject}",
        ("remove or rename what is not ours",),
    ),
    Rule(
        "", (), "same bridge name", "RESOURCE_CONFLICT", True,
        "another network has the bridge of {subject}", ("remove the other network",),
    ),
    Rule(
        "", (), "pool overlaps|overlaps with other", "CONFIGURATION_SUBNET_CONFLICT", True,
        "the subnet of {subject} overlaps one that the engine has",
        ("give the organization another subnet", "check SKYCTL_NETWORK_POOL"),
    ),
    Rule(
        "", (), "active endpoints", "RESOURCE_BUSY", True,
        "{subject} still has containers attached",
        ("if no container is left on it, restart the engine: it has lost an endpoint",),
    ),
    Rule(
        "", (409,), "volume is in use|volume .* in use", "STORAGE_VOLUME_IN_USE", True,
        "{subject} is still mounted by a container", ("remove what mounts it",),
    ),
    Rule(
        "", (409, 500), "already in progress|is being removed|marked for removal|device or resource"
        " busy|resource temporarily unavailable", "RESOURCE_BUSY", True,
        "the engine is busy with {subject}: {reason}",
    ),
    Rule(
        "", (404,), "", "RESOURCE_NOT_FOUND", True, "{subject} is not there: {reason}",
    ),
    Rule("", (409,), "", "RESOURCE_BUSY", True, "the engine cannot do that now: {reason}"),
    Rule(
        "start_container", (), "docker-init", "CONFIGURATION_ENGINE_NO_INIT", True,
        "the engine has no init process to give to {subject}",
        ("install docker-init (tini) on the engine's host",),
    ),
    # -- by operation
    Rule(
        "create_container", (400,), "", "DEPLOYMENT_CREATE_FAILED", False,
        "the engine refuses {subject}: {reason}", ("correct the service's spec",),
    ),
    Rule(
        "create_container", (), "", "DEPLOYMENT_CREATE_FAILED", True,
        "the engine could not create {subject}: {reason}",
    ),
    Rule(
        "put_files", (), "read-only|read only|readonly", "DEPLOYMENT_FILES_REFUSED", False,
        "files cannot be placed in {subject}: its root filesystem is read-only",
        ("place them inside a mounted volume", "set readOnlyRootFilesystem to false"),
    ),
    Rule(
        "put_files", (400, 403), "", "DEPLOYMENT_FILES_REFUSED", False,
        "files cannot be placed in {subject}: {reason}", ("check the files' paths",),
    ),
    Rule(
        "put_files", (), "", "DEPLOYMENT_FILES_FAILED", True,
        "files could not be placed in {subject}: {reason}",
    ),
    Rule(
        "start_container", (400, 500), _BAD_COMMAND, "DEPLOYMENT_START_FAILED", False,
        "{subject} cannot be started: {reason}",
        ("check command, args, workingDir and user against the image",),
    ),
    Rule(
        "start_container", (), "", "DEPLOYMENT_START_FAILED", True,
        "{subject} could not be started: {reason}",
    ),
    Rule(
        "update_container", (400,), "", "DEPLOYMENT_UPDATE_FAILED", False,
        "the engine refuses new limits for {subject}: {reason}", ("correct resources",),
    ),
    Rule(
        "update_container", (), "", "DEPLOYMENT_UPDATE_FAILED", True,
        "{subject} could not be updated: {reason}",
    ),
    Rule(
        "", (400, 405, 501), "", "CONFIGURATION_ENGINE_REFUSED", False,
        "the engine refuses a request about {subject}: {reason}",
        ("compare the engine with what is needed: skyctl doctor",),
    ),
    Rule(
        "", (401, 403), "", "CONFIGURATION_ENGINE_REFUSED", True,
        "the engine forbids a request about {subject}: {reason}",
        ("check what this controller may do on the engine",),
    ),
    Rule(
        "", (), "", "CONFIGURATION_ENGINE_FAILED", True,
        "the engine failed: {reason}", ("look at the engine's own log",),
    ),
)  # fmt: skip


def refused(operation: str, status: int, message: str, subject: str) -> UserError:
    """The engine answered with an error (status >= 400, or in the middle of a stream)."""
    alike = "pull_image" if operation == "ask_registry" else operation
    rule = next(r for r in RULES if r.matches(alike, status, message))
    message = lasting(message)
    return UserError(
        rule.code,
        rule.message.format(subject=subject or "it", reason=essence(message)),
        details={"operation": operation, "status": status, "engine": message[:2000]},
        suggestions=rule.suggestions,
        retryable=rule.retryable,
    )


CREDENTIALS_REFUSED = "IMAGE_CREDENTIALS_REFUSED"


def signed_in(error: UserError, subject: str) -> UserError:
    """A refusal by the registry although credentials were given means these."""
    if error.code != "IMAGE_PULL_UNAUTHORIZED":
        return error
    rule = next(r for r in RULES if r.code == CREDENTIALS_REFUSED)
    message = rule.message.format(subject=subject)
    return UserError(rule.code, message, details=error.details, suggestions=rule.suggestions)


def too_slow(subject: str, seconds: float) -> UserError:
    """A pull's deadline has passed."""
    return UserError(
        "IMAGE_PULL_FAILED",
        f"{subject} could not be pulled within {seconds:g} s",
        details={"operation": "pull_image", "seconds": seconds},
        suggestions=[
            "check the registry, and the network between it and the engine",
            "the platform: raise SKYCTL_PULL_TIMEOUT",
        ],
        retryable=True,
    )


def unreachable(host: str, reason: str) -> UserError:
    """No answer came: nobody listens, we may not, or the connection broke midway."""
    hints = ["check that the engine runs", "check DOCKER_HOST"]
    if "permission" in reason.lower():
        hints = ["run skyctl as a user who may use the engine's socket (group docker)"]
    elif "certificate" in reason.lower() or "ssl" in reason.lower():
        hints = ["check DOCKER_TLS_VERIFY and the certificates in DOCKER_CERT_PATH"]
    return UserError(
        UNREACHABLE,
        f"the engine at {host} cannot be reached: {reason}",
        details={"host": host},
        suggestions=hints,
        retryable=True,
    )


def silent(host: str, operation: str, seconds: float) -> UserError:
    """The deadline passed; what was asked may or may not have been done."""
    return UserError(
        UNREACHABLE,
        f"the engine at {host} did not answer within {seconds:g} s",
        details={"host": host, "operation": operation, "seconds": seconds},
        suggestions=["look at the engine's load and its own log"],
        retryable=True,
    )


def volume_lost(names: Mapping[str, str], container: str) -> UserError:
    """names: engine volume -> why it is taken for lost."""
    listed = ", ".join(sorted(names))
    return UserError(
        "STORAGE_VOLUME_LOST",
        f"the data of {listed} is gone: what the engine holds under that name is not it",
        details={"volumes": dict(sorted(names.items())), "container": container},
        suggestions=[
            "restore the volume from a backup",
            "delete the Volume resource and make it again to start empty",
        ],
    )


def loss(volume: Volume | None, uid: str) -> str:
    """Why a mounted volume is not the one it should be; '' when it is."""
    if volume is None:
        return "it is not there"
    if volume.labels.get(L_UID) == uid:
        return ""
    return "it is another's" if volume.labels.get(L_UID) else "the engine made an empty one"


def not_ours(kind: str, name: str, labels: Mapping[str, Any]) -> UserError:
    return UserError(
        "RESOURCE_CONFLICT",
        f"the {kind} {name} on the engine belongs to somebody else",
        details={"name": name, "labels": dict(labels)},
        suggestions=[f"remove or rename the {kind} that is in the way"],
    )


def lasting(message: str) -> str:
    """Without what is another at each attempt (ids of endpoints and containers, ports that a
    connection came from): the same failure reads the same, and is no news."""
    text = re.sub(r" ?\([0-9a-f]{12,64}\)", "", message)
    text = re.sub(r"(?<![0-9a-f:])[0-9a-f]{64}(?![0-9a-f])", "ID", text)
    return re.sub(r"(\d|\]):\d{1,5}->", r"\1->", text)


def essence(message: str) -> str:
    """The last, telling part of the engine's nested messages, on one line."""
    text = " ".join(message.split())
    for mark in ("unable to start container process: ", "Error starting userland proxy: "):
        text = text.rpartition(mark)[2]
    text = re.sub(r"^driver failed programming external connectivity on [^:]*: ", "", text)
    text = text.removesuffix(": unknown")
    return text[:400]
