"""The engine's refusals in our words; the messages are dockerd's own, 20.10 unless said."""

from __future__ import annotations

import pytest

from controller.engine.docker import faults

OCI = (
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
    'container process: exec: "/nope": stat /nope: no such file or directory: unknown'
)
BIND = (
    "driver failed programming external connectivity on endpoint p3 (18e0): "
    "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use"
)

CASES = [
    ("pull_image", 404, "pull access denied for nope, repository does not exist or may require "
     "'docker login': denied: requested access to the resource is denied",
     "IMAGE_NOT_FOUND", False),
    ("pull_image", 200, "manifest for nginx:0 not found: manifest unknown: manifest unknown",
     "IMAGE_NOT_FOUND", False),
    ("pull_image", 500, "no matching manifest for linux/arm64/v8 in the manifest list entries",
     "IMAGE_NOT_FOUND", False),
    ("pull_image", 500, 'Get "https://r.example/v2/": unauthorized: authentication required',
     "IMAGE_PULL_UNAUTHORIZED", False),
    ("pull_image", 500, 'Get "https://r.example/v2/": unauthorized: incorrect username or password',
     "IMAGE_CREDENTIALS_REFUSED", False),
    ("pull_image", 500, 'Get "https://r.example/v2/x/manifests/1": no basic auth credentials',
     "IMAGE_PULL_UNAUTHORIZED", False),
    ("pull_image", 500, 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup '
     "registry-1.docker.io on 10.0.0.1:53: no such host", "IMAGE_REGISTRY_UNREACHABLE", True),
    ("pull_image", 500, 'Get "https://r.example/v2/": net/http: TLS handshake timeout',
     "IMAGE_REGISTRY_UNREACHABLE", True),
    ("pull_image", 500, 'Get "https://r.example/v2/": x509: certificate has expired',
     "IMAGE_REGISTRY_UNREACHABLE", True),
    ("pull_image", 200, "failed to register layer: Error processing tar file(exit status 1): "
     "write /x: no space left on device", "IMAGE_DISK_FULL", True),
    ("pull_image", 500, "toomanyrequests: You have reached your pull rate limit.",
     "IMAGE_RATE_LIMITED", True),
    ("pull_image", 400, "invalid reference format: repository name must be lowercase",
     "IMAGE_REFERENCE_INVALID", False),
    ("pull_image", 500, "filesystem layer verification failed", "IMAGE_PULL_FAILED", True),
    ("create_container", 404, "No such image: nope:1", "IMAGE_NOT_FOUND", True),
    ("create_container", 409, 'Conflict. The container name "/a" is already in use by container '
     '"2ad4". You have to remove (or rename) that container to be able to reuse that name.',
     "RESOURCE_CONFLICT", True),
    ("create_container", 400, "invalid CapAdd: unknown capability: \"CAP_FOO\"",
     "DEPLOYMENT_CREATE_FAILED", False),
    ("create_container", 500, "something broke", "DEPLOYMENT_CREATE_FAILED", True),
    ("create_container", 500, "write /var/lib/docker/x: no space left on device",
     "RESOURCE_DISK_FULL", True),
    ("start_container", 400, OCI, "DEPLOYMENT_START_FAILED", False),
    ("start_container", 500, "unable to find user nosuch: no matching entries in passwd file",
     "DEPLOYMENT_START_FAILED", False),
    ("start_container", 500, "failed to set up container networking: context deadline exceeded",
     "DEPLOYMENT_START_FAILED", True),
    ("start_container", 500, BIND, "CONFIGURATION_PORT_IN_USE", True),
    ("start_container", 500, "driver failed programming external connectivity on endpoint p2 (6): "
     "Bind for 0.0.0.0:80 failed: port is already allocated", "CONFIGURATION_PORT_IN_USE", True),
    ("start_container", 404, "network aaaa not found", "RESOURCE_NOT_FOUND", True),
    ("start_container", 409, "cannot start a paused container, try unpause instead",
     "RESOURCE_BUSY", True),
    ("create_network", 409, "network with name n already exists", "RESOURCE_CONFLICT", True),
    ("create_network", 403, "Pool overlaps with other one on this address space",
     "CONFIGURATION_SUBNET_CONFLICT", True),
    ("create_network", 400, "invalid pool request: Pool overlaps with other one on this address "
     "space", "CONFIGURATION_SUBNET_CONFLICT", True),
    ("create_network", 403, "cannot create network 87 (sky1): conflicts with network 49 (sky1): "
     "networks have same bridge name", "RESOURCE_CONFLICT", True),
    ("remove_network", 403, "error while removing network: network n id 49 has active endpoints",
     "RESOURCE_BUSY", True),
    ("remove_volume", 409, "remove v: volume is in use - [2ad4]", "STORAGE_VOLUME_IN_USE", True),
    ("remove_container", 409, "removal of container 2ad4 is already in progress",
     "RESOURCE_BUSY", True),
    ("remove_container", 500, "driver \"overlay2\" failed to remove root filesystem: unlinkat x: "
     "device or resource busy", "RESOURCE_BUSY", True),
    ("put_files", 500, "container rootfs is marked read-only", "DEPLOYMENT_FILES_REFUSED", False),
    ("update_container", 400, "Minimum memory limit allowed is 6MB",
     "DEPLOYMENT_UPDATE_FAILED", False),
    ("list_containers", 500, "boom", "CONFIGURATION_ENGINE_FAILED", True),
    ("list_containers", 400, "client is too new", "CONFIGURATION_ENGINE_REFUSED", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "status", "words", "code", "retryable"), CASES, ids=lambda v: str(v)[:30]
)
def test_table(operation: str, status: int, words: str, code: str, retryable: bool) -> None:
    error = faults.refused(operation, status, words, "thing")
    assert (error.code, error.retryable) == (code, retryable)
    assert error.details["engine"] == words
    assert "{" not in error.message


def test_only_the_telling_part_is_shown() -> None:
    assert faults.essence(OCI) == 'exec: "/nope": stat /nope: no such file or directory'
    assert faults.essence(BIND) == "listen tcp4 0.0.0.0:80: bind: address already in use"
    assert len(faults.essence("x" * 10_000)) <= 400


def test_hints_fit_the_reason() -> None:
    denied = faults.unreachable("unix:///s", "Permission denied")
    assert "group docker" in denied.suggestions[0]
    tls = faults.unreachable("tcp://h", "certificate verify failed")
    assert "DOCKER_CERT_PATH" in tls.suggestions[0]
    assert faults.unreachable("unix:///s", "No such file or directory").retryable


def test_every_code_is_of_a_known_family() -> None:
    families = ("CONFIGURATION_", "RESOURCE_", "DEPLOYMENT_", "IMAGE_", "STORAGE_")
    assert all(rule.code.startswith(families) for rule in faults.RULES)


@pytest.mark.parametrize(
    "words",
    [
        "driver failed on endpoint web ({}): Bind for 0.0.0.0:80 failed: port is already allocated",
        'The container name "/a" is already in use by container "{}".',
    ],
)
def test_the_same_failure_reads_the_same(words: str) -> None:
    """What differs at each attempt would be a status write at each."""
    one, other = (
        faults.refused("start_container", 500, words.format(digit * 64), "web") for digit in "ab"
    )
    assert one == other
    assert "endpoint web" in one.details["engine"] or "/a" in one.details["engine"]


def test_a_connection_comes_from_another_port_each_time() -> None:
    words = 'Get "https://r/v2/": read tcp 10.0.0.1:{}->10.0.0.2:443: i/o timeout'
    one, other = (faults.refused("pull_image", 500, words.format(p), "r/a") for p in (40001, 9))
    assert one == other
    assert "10.0.0.2:443" in one.details["engine"]
