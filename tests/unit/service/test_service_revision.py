"""Which changes need another container, and that the hash of a declaration never moves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resources.naming import VolumeIdentity
from resources.service import revision as module
from resources.service.revision import (
    NEWEST,
    RENDERERS,
    Resolved,
    declaration_v1,
    revision,
    well_formed,
)
from resources.service.spec import ServiceSpec

BASE: dict[str, Any] = {
    "image": "nginx:1.27",
    "volumes": [{"volume": "data", "mountPath": "/data"}],
    "ports": [{"containerPort": 80, "hostPort": 8080}],
    "environment": {"A": "1"},
    "files": [{"path": "/etc/a", "content": "x"}],
    "healthCheck": {"exec": ["true"]},
    "tmpfs": [{"mountPath": "/tmp"}],
}


NOTHING = Resolved()


def label(spec: dict[str, Any], resolved: Resolved = NOTHING) -> str:
    return revision(ServiceSpec.model_validate(spec), resolved).label


RECREATED = {
    "image": {"image": "nginx:1.28"},
    "command": {"command": ["sh"]},
    "args": {"args": ["-c"]},
    "workingDir": {"workingDir": "/srv"},
    "user": {"user": "1000"},
    "a variable": {"environment": {"A": "2"}},
    "a new variable": {"environment": {"A": "1", "B": ""}},
    "a file's content": {"files": [{"path": "/etc/a", "content": "y"}]},
    "a file's mode": {"files": [{"path": "/etc/a", "content": "x", "mode": "0600"}]},
    "a host port": {"ports": [{"containerPort": 80, "hostPort": 8081}]},
    "a host address": {
        "ports": [{"containerPort": 80, "hostPort": 8080, "hostAddress": "127.0.0.1"}]
    },
    "no host port": {"ports": [{"containerPort": 80}]},
    "a mount's path": {"volumes": [{"volume": "data", "mountPath": "/other"}]},
    "read only": {"volumes": [{"volume": "data", "mountPath": "/data", "readOnly": True}]},
    "tmpfs": {"tmpfs": [{"mountPath": "/tmp", "size": "1Mi"}]},
    "shmSize": {"shmSize": "1Mi"},
    "stopSignal": {"stopSignal": "SIGINT"},
    "readOnlyRootFilesystem": {"readOnlyRootFilesystem": True, "files": []},
    "an exec check": {"healthCheck": {"exec": ["false"]}},
    "an exec check's interval": {"healthCheck": {"exec": ["true"], "interval": "9s"}},
    "no check": {"healthCheck": None},
}

IN_PLACE = {
    "replicas": {"replicas": 5, "ports": BASE["ports"][:0]},
    "state": {"state": "stopped"},
    "resources": {"resources": {"cpu": 2, "memory": "1Gi", "pids": 9}},
    "restart": {"restart": {"policy": "never"}},
    "update": {"update": {"order": "stopFirst", "parallelism": 3}},
    "driftPolicy": {"driftPolicy": "report"},
    "dependsOn": {"dependsOn": ["db"]},
    "terminationGracePeriod": {"terminationGracePeriod": "90s"},
    "preDeploy": {"preDeploy": {"command": ["x"]}},
    "imagePullPolicy": {"imagePullPolicy": "Always"},
    "type": {"type": "database"},
    "patience": {"healthCheck": {"exec": ["true"], "patience": "1s"}},
    "a port's name": {"ports": [{"containerPort": 80, "hostPort": 8080, "name": "web"}]},
    "another inner port": {"ports": [*BASE["ports"], {"containerPort": 81}]},
    "a number for a text": {"environment": {"A": 1}},
    "a written default": {
        "files": [{"path": "/etc/a", "content": "x", "mode": "0444"}],
        "tmpfs": [{"mountPath": "/tmp/", "size": "64Mi"}],
        "readOnlyRootFilesystem": False,
    },
}


@pytest.mark.parametrize("name", RECREATED)
def test_needs_another_container(name: str) -> None:
    assert label({**BASE, **RECREATED[name]}) != label(BASE)


@pytest.mark.parametrize("name", [n for n in IN_PLACE if n != "replicas"])
def test_changes_in_place(name: str) -> None:
    assert label({**BASE, **IN_PLACE[name]}) == label(BASE)


def test_replicas_change_in_place() -> None:
    base = {**BASE, "ports": []}
    assert label({**base, "replicas": 5}) == label(base)


def test_a_check_from_outside_is_nothing_to_the_container() -> None:
    none = {"image": "i"}
    http = {"image": "i", "healthCheck": {"http": {"port": 80}}}
    tcp = {"image": "i", "healthCheck": {"tcp": {"port": 81}, "interval": "9s"}}
    assert label(none) == label(http) == label(tcp)


def test_order_of_lists_and_maps_is_irrelevant() -> None:
    spec = {
        "image": "i",
        "environment": {"A": "1", "B": "2"},
        "files": [{"path": "/a", "content": "1"}, {"path": "/b", "content": "2"}],
        "volumes": [{"volume": "x", "mountPath": "/x"}, {"volume": "y", "mountPath": "/y"}],
        "tmpfs": [{"mountPath": "/t"}, {"mountPath": "/u"}],
    }
    turned = {
        k: dict(reversed(v.items())) if isinstance(v, dict) else v[::-1] if k != "image" else v
        for k, v in spec.items()
    }
    assert label(spec) == label(turned)


@pytest.mark.parametrize(
    "resolved",
    [
        Resolved(volumes=(("data", VolumeIdentity("skypanel_a", "u1")),)),
        Resolved(restarted_at="now"),
        Resolved(profile="restricted"),
        Resolved(capabilities=("NET_ADMIN",)),
    ],
)
def test_what_it_means_just_now_counts_too(resolved: Resolved) -> None:
    assert label(BASE, resolved) != label(BASE)


def test_data_of_another_volume_under_the_same_name_is_another_revision() -> None:
    def at(engine_name: str, uid: str) -> str:
        return label(BASE, Resolved(volumes=(("data", VolumeIdentity(engine_name, uid)),)))

    assert len({at("a", "1"), at("a", "2"), at("b", "1")}) == 3


# ---------------------------------------------------------------- for ever


PINNED = {
    "v1": {
        "a little": ({"image": "nginx:1.27"}, Resolved()),
        "a lot": (
            {
                **BASE,
                "command": ["sh"],
                "args": ["-c", "sleep"],
                "user": "1000:1000",
                "workingDir": "/srv",
                "environment": {"A": 1, "B": True, "C": 0.5, "D": "é"},
                "shmSize": "64Mi",
                "stopSignal": "SIGINT",
                "healthCheck": {"exec": ["true"], "interval": "7s", "startPeriod": "1m"},
            },
            Resolved(
                (("data", VolumeIdentity("skypanel_acme_data_1", "u-1")),),
                "2026-01-01T00:00:00Z",
                "restricted",
                ("NET_BIND_SERVICE",),
            ),
        ),
    }
}
LABELS = {
    ("v1", "a little"): "v1:0b53585fbb8b2f39",
    ("v1", "a lot"): "v1:06ea617c103bcef7",
}


@pytest.mark.parametrize(("version", "name"), LABELS)
def test_labels_are_the_same_in_every_release(version: str, name: str) -> None:
    """When this fails, every service would be recreated by an upgrade: write a new version of
    the renderer instead, and keep this one as it is."""
    spec, resolved = PINNED[version][name]
    known = revision(ServiceSpec.model_validate(spec), resolved).known
    assert LABELS[version, name] in known


def test_the_defaults_that_version_1_leaves_out() -> None:
    """A default that changes here changes v1 labels of those who wrote it explicitly."""
    covered = module.RECREATED | {"health_check"}
    defaults = json.loads(
        json.dumps(
            {
                name: field.default
                for name, field in ServiceSpec.model_fields.items()
                if name in covered and not field.is_required()
            }
        )
    )
    assert defaults == {
        "command": None,
        "args": None,
        "working_dir": None,
        "user": None,
        "environment": {},
        "files": [],
        "volumes": [],
        "tmpfs": [],
        "shm_size": None,
        "health_check": None,
        "stop_signal": None,
        "read_only_root_filesystem": False,
    }
    document = declaration_v1(
        ServiceSpec.model_validate(
            {
                "image": "i",
                "healthCheck": {
                    "exec": ["true"],
                    "interval": "5s",
                    "timeout": "5s",
                    "retries": 3,
                    "startPeriod": "30s",
                },
                "tmpfs": [{"mountPath": "/t", "size": "64Mi"}],
                "files": [{"path": "/f", "content": "", "mode": "0444"}],
                "volumes": [{"volume": "v", "mountPath": "/v", "readOnly": False}],
            }
        ),
        Resolved(),
    )
    assert document["spec"] == {
        "image": "i",
        "healthCheck": {"exec": ("true",)},
        "tmpfs": [{"mountPath": "/t"}],
        "files": [{"path": "/f", "content": ""}],
        "volumes": [{"volume": "v", "mountPath": "/v"}],
    }


def test_a_release_with_another_renderer_recognises_the_old_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = ServiceSpec.model_validate(BASE)
    old = revision(spec, Resolved()).label

    def v2(spec: ServiceSpec, resolved: Resolved) -> dict[str, Any]:
        return {**declaration_v1(spec, resolved), "more": True}

    monkeypatch.setitem(RENDERERS, "v2", v2)
    monkeypatch.setattr(module, "NEWEST", "v2")
    new = revision(spec, Resolved())
    assert new.label.startswith("v2:")
    assert old in new.known
    assert NEWEST == "v1"


@pytest.mark.parametrize("text", ["v1:0123456789abcdef", "v12:abcdef"])
def test_well_formed(text: str) -> None:
    assert well_formed(text)


@pytest.mark.parametrize("text", ["", "v1:", "v1:XYZ", "1:abcdef", "v1:abc", "v1:abcdef\n"])
def test_not_well_formed(text: str) -> None:
    assert not well_formed(text)
