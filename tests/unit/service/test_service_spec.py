"""What a Service's spec accepts, and where it complains."""

from __future__ import annotations

from typing import Any

import pytest

from resources.errors import UserError
from resources.service.spec import ServiceSpec
from resources.service.values import environment_text
from resources.validate import validate

IMAGE = {"image": "nginx:1.27"}
VOLUME = {"volume": "data", "mountPath": "/data"}

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no image": ({"image": None}, "/spec/image", ""),
    "image in capitals": ({"image": "Nginx"}, "/spec/image", "did you mean nginx?"),
    "image as a URL": ({"image": "https://nginx"}, "/spec/image", "did you mean nginx?"),
    "image id": ({"image": "a" * 64}, "/spec/image", "is an image id"),
    "image with a space": ({"image": "nginx latest"}, "/spec/image", "not an image reference"),
    "image option": ({"image": "--privileged"}, "/spec/image", "not an image reference"),
    "state": ({"state": "paused"}, "/spec/state", "running, stopped"),
    "too many replicas": ({"replicas": 101}, "/spec/replicas", "at most 100"),
    "negative replicas": ({"replicas": -1}, "/spec/replicas", "at least 0"),
    "replicas as text": ({"replicas": "3"}, "/spec/replicas", "did you mean 3"),
    "empty command": ({"command": []}, "/spec/command", "at least 1"),
    "command as text": ({"command": "sh"}, "/spec/command", "a list"),
    "relative workingDir": ({"workingDir": "srv"}, "/spec/workingDir", "absolute"),
    "user": ({"user": "a b"}, "/spec/user", ""),
    "user option": ({"user": "-1"}, "/spec/user", ""),
    "variable's name": ({"environment": {"1A": "x"}}, "/spec/environment/1A", "no digit first"),
    "variable with =": ({"environment": {"A=B": "x"}}, "/spec/environment/A=B", "letters"),
    "empty name": ({"environment": {"": "x"}}, "/spec/environment/", "letters"),
    "reserved name": (
        {"environment": {"SKYPANEL_X": "x"}},
        "/spec/environment/SKYPANEL_X",
        "reser",
    ),
    "variable without value": ({"environment": {"A": None}}, "/spec/environment/A", 'write ""'),
    "variable as a list": ({"environment": {"A": [1]}}, "/spec/environment/A", "must be text"),
    "secret without key": ({"environment": {"A": {"secret": "s"}}}, "/spec/environment/A/key", ""),
    "file without content": ({"files": [{"path": "/a"}]}, "/spec/files/0", "either content"),
    "file with both": (
        {"files": [{"path": "/a", "content": "", "secret": "s", "key": "k"}]},
        "/spec/files/0",
        "either content",
    ),
    "file with half a secret": (
        {"files": [{"path": "/a", "secret": "s"}]},
        "/spec/files/0/key",
        "belong together",
    ),
    "file outside": (
        {"files": [{"path": "/a/../b", "content": ""}]},
        "/spec/files/0/path",
        "must not contain",
    ),
    "file in /proc": (
        {"files": [{"path": "/proc/x", "content": ""}]},
        "/spec/files/0/path",
        "/proc, /sys or /dev",
    ),
    "file mode as a number": (
        {"files": [{"path": "/a", "content": "", "mode": 420}]},
        "/spec/files/0/mode",
        "as text",
    ),
    "setuid file": (
        {"files": [{"path": "/a", "content": "", "mode": "4755"}]},
        "/spec/files/0/mode",
        "not a file mode",
    ),
    "two files": (
        {"files": [{"path": "/a", "content": ""}, {"path": "//a/", "content": ""}]},
        "/spec/files/1/path",
        "another file",
    ),
    "file in a volume": (
        {"files": [{"path": "/data/x", "content": ""}], "volumes": [VOLUME]},
        "/spec/files/0/path",
        "lies in the mount /data",
    ),
    "files on a read-only root": (
        {"files": [{"path": "/a", "content": ""}], "readOnlyRootFilesystem": True},
        "/spec/files",
        "readOnlyRootFilesystem",
    ),
    "port 0": ({"ports": [{"containerPort": 0}]}, "/spec/ports/0/containerPort", "at least 1"),
    "port 70000": ({"ports": [{"containerPort": 70000}]}, "/spec/ports/0/containerPort", "65535"),
    "two ports": (
        {"ports": [{"containerPort": 80}, {"containerPort": 80}]},
        "/spec/ports/1/containerPort",
        "another entry",
    ),
    "two names": (
        {"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]},
        "/spec/ports/1/name",
        "another port",
    ),
    "hostPort with replicas": (
        {"ports": [{"containerPort": 80, "hostPort": 80}], "replicas": 2},
        "/spec/ports/0/hostPort",
        "2 replicas",
    ),
    "hostPort with startFirst": (
        {"ports": [{"containerPort": 80, "hostPort": 80}], "update": {"order": "startFirst"}},
        "/spec/update/order",
        "stopFirst",
    ),
    "hostAddress alone": (
        {"ports": [{"containerPort": 80, "hostAddress": "127.0.0.1"}]},
        "/spec/ports/0/hostAddress",
        "without hostPort",
    ),
    "hostAddress": (
        {"ports": [{"containerPort": 80, "hostPort": 80, "hostAddress": "localhost"}]},
        "/spec/ports/0/hostAddress",
        "IP address",
    ),
    "two mounts": (
        {"volumes": [VOLUME, {"volume": "b", "mountPath": "/data/"}]},
        "/spec/volumes/1/mountPath",
        "another mount",
    ),
    "mount and tmpfs": (
        {"volumes": [VOLUME], "tmpfs": [{"mountPath": "/data"}]},
        "/spec/tmpfs/0/mountPath",
        "another mount",
    ),
    "mount on the root": (
        {"volumes": [{"volume": "a", "mountPath": "//"}]},
        "/spec/volumes/0/mountPath",
        "root directory",
    ),
    "mount with options": (
        {"volumes": [{"volume": "a", "mountPath": "/a:/b"}]},
        "/spec/volumes/0/mountPath",
        "':'",
    ),
    "host path": (
        {"volumes": [{"volume": "/etc", "mountPath": "/a"}]},
        "/spec/volumes/0/volume",
        "lower case",
    ),
    "no check": ({"healthCheck": {"interval": "5s"}}, "/spec/healthCheck", "exactly one"),
    "two checks": (
        {"healthCheck": {"exec": ["a"], "tcp": {"port": 1}}},
        "/spec/healthCheck",
        "not exec and tcp",
    ),
    "checks without pause": (
        {"healthCheck": {"exec": ["a"], "interval": "1ms"}},
        "/spec/healthCheck/interval",
        "1s",
    ),
    "a check that hangs": (
        {"healthCheck": {"tcp": {"port": 1}, "timeout": "3650d"}},
        "/spec/healthCheck/timeout",
        "maximum of 1m",
    ),
    "check's path": (
        {"healthCheck": {"http": {"port": 80, "path": "x"}}},
        "/spec/healthCheck/http/path",
        "",
    ),
    "header smuggling": (
        {"healthCheck": {"http": {"port": 80, "headers": {"A": "x\r\nB: y"}}}},
        "/spec/healthCheck/http/headers/A",
        "",
    ),
    "minReady": (
        {"update": {"minReady": "10m"}},
        "/spec/update/minReady",
        "less than progressDeadline",
    ),
    "memory in megabytes": ({"resources": {"memory": 512}}, "/spec/resources/memory", "512Mi"),
    "twice the same dependency": ({"dependsOn": ["a", "a"]}, "/spec/dependsOn/1", "twice"),
    "capability": ({"capabilities": ["SYS_ADMIN"]}, "/spec/capabilities/0", "never granted"),
    "unknown field": ({"privileged": True}, "/spec/privileged", "unknown field"),
    "misspelt field": ({"enviroment": {}}, "/spec/enviroment", "did you mean 'environment'?"),
    "database without a volume": ({"type": "database"}, "/spec/volumes", "writable volume"),
    "database with a read-only volume": (
        {"type": "database", "volumes": [{**VOLUME, "readOnly": True}]},
        "/spec/volumes",
        "writable volume",
    ),
    "database with replicas": (
        {"type": "database", "volumes": [VOLUME], "replicas": 2},
        "/spec/replicas",
        "one replica",
    ),
    "database with startFirst": (
        {"type": "database", "volumes": [VOLUME], "update": {"order": "startFirst"}},
        "/spec/update/order",
        "stopFirst",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    spec, pointer, hint = REFUSED[name]
    with pytest.raises(UserError) as caught:
        validate("Service", {**IMAGE, **spec})
    assert caught.value.code == "CONFIGURATION_INVALID_SPEC"
    found = {each["pointer"]: each["message"] for each in caught.value.details["errors"]}
    assert pointer in found, found
    assert hint in found[pointer], found


def test_everything_wrong_is_said_at_once() -> None:
    spec = {
        **IMAGE,
        "type": "database",
        "replicas": 2,
        "healthCheck": {},
        "dependsOn": ["a", "a"],
    }
    with pytest.raises(UserError) as caught:
        validate("Service", spec)
    assert [each["pointer"] for each in caught.value.details["errors"]] == [
        "/spec/replicas",
        "/spec/volumes",
        "/spec/healthCheck",
        "/spec/dependsOn/1",
    ]


ACCEPTED: dict[str, dict[str, Any]] = {
    "least": {},
    "registry with port": {"image": "registry.example.com:5000/team/app:1.2-rc_1"},
    "digest": {"image": "nginx@sha256:" + "a" * 64},
    "localhost": {"image": "localhost/app"},
    "nested mounts": {"volumes": [VOLUME, {"volume": "b", "mountPath": "/data/b"}]},
    "one volume twice": {"volumes": [VOLUME, {**VOLUME, "mountPath": "/b", "readOnly": True}]},
    "tcp and udp": {"ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "udp"}]},
    "dotted variable": {"environment": {"spring.profile": "x"}},
    "empty variable": {"environment": {"A": ""}},
    "everything": {
        "imagePullPolicy": "Always",
        "imagePullSecret": "registry",
        "state": "stopped",
        "replicas": 1,
        "command": ["sh", "-c"],
        "args": ["exec app"],
        "workingDir": "/srv",
        "user": "1000:1000",
        "environment": {"A": "x", "B": 1, "C": 0.5, "D": True, "E": {"secret": "s", "key": "k"}},
        "files": [{"path": "/etc/a", "secret": "s", "key": "k", "mode": "0600"}],
        "ports": [{"name": "web", "containerPort": 80, "hostPort": 80, "hostAddress": "::1"}],
        "volumes": [VOLUME],
        "tmpfs": [{"mountPath": "/tmp", "size": "16Mi"}],
        "shmSize": "64Mi",
        "resources": {"cpu": "500m", "memory": "256Mi", "pids": 100},
        "healthCheck": {
            "http": {"path": "/healthz", "port": 80, "headers": {"Host": "x"}},
            "interval": "10s",
            "timeout": "1s",
            "retries": 5,
            "startPeriod": "1m",
            "patience": "10m",
        },
        "update": {
            "order": "stopFirst",
            "parallelism": 2,
            "minReady": "5s",
            "progressDeadline": "10m",
            "drain": "0s",
            "onFailure": "pause",
        },
        "restart": {"policy": "onFailure"},
        "terminationGracePeriod": "30s",
        "stopSignal": "SIGQUIT",
        "dependsOn": ["db"],
        "preDeploy": {"command": ["migrate"], "timeout": "10m"},
        "readOnlyRootFilesystem": False,
        "capabilities": ["NET_RAW"],
        "driftPolicy": "report",
    },
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_and_written_again_as_people_write_it(name: str) -> None:
    given = {**IMAGE, **ACCEPTED[name]}
    model = validate("Service", given)
    assert isinstance(model, ServiceSpec)
    written = model.document()
    assert ServiceSpec.model_validate(written) == model
    for field, value in given.items():
        assert written[field] == value or field in ("volumes", "ports", "restart"), field


def test_paths_are_normalised() -> None:
    spec = ServiceSpec.model_validate(
        {**IMAGE, "volumes": [{"volume": "a", "mountPath": "//data//x/"}]}
    )
    assert spec.volumes[0].mount_path == "/data/x"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        ("", ""),
        (8080, "8080"),
        (True, "true"),
        (False, "false"),
        (0.5, "0.5"),
        (1e16, "10000000000000000"),
        (1e-7, "0.0000001"),
        (3.0, "3.0"),
        (10**20, "100000000000000000000"),
    ],
)
def test_values_reach_the_process_as_people_expect(value: Any, text: str) -> None:
    assert environment_text(value) == text


def test_a_databases_defaults() -> None:
    spec = ServiceSpec.model_validate({**IMAGE, "type": "database", "volumes": [VOLUME]})
    assert (spec.grace, spec.start_first) == (60.0, False)
    assert ServiceSpec.model_validate(IMAGE).grace == 10.0
    given = {**IMAGE, "type": "database", "volumes": [VOLUME], "terminationGracePeriod": "5s"}
    assert ServiceSpec.model_validate(given).grace == 5.0


def test_secrets_are_found_everywhere() -> None:
    spec = ServiceSpec.model_validate({**IMAGE, **ACCEPTED["everything"]})
    assert spec.secrets == ("registry", "s")
