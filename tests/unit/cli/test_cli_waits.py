"""What waiting waits for, and that it tells with its exit code how that ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from resources.meta import Key, Manifest
from tests.unit.cli.conftest import Run
from tests.unit.site import Site


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("watch", ["--watch", "--no-watch"])
def test_rollout_status_fails_in_every_form(skyctl: Run, site: Site, form: str, watch: str) -> None:
    name = f"stuck-{form}{watch}"
    site.service(name)
    key = Key("Service", name, "web")
    site.apply(Manifest(key, {"image": "nowhere:1", "imagePullPolicy": "Never"}))
    site.until(lambda: (site.database.entries[key].status or {}).get("error"))
    ran = skyctl("rollout", "status", "web", "--org", name, "-o", form, watch, "--timeout", "20s")
    assert ran.code == 1, ran
    assert yaml.safe_load(ran.out)["state"] == "progressing"


def test_rollout_status_watches_in_every_form(skyctl: Run, site: Site) -> None:
    key = site.service("watched", update={"order": "startFirst", "minReady": "1s"})
    spec = {"image": "nginx:2", "update": {"order": "startFirst", "minReady": "1s"}}
    site.apply(Manifest(key, spec))
    ran = skyctl("rollout", "status", "web", "--org", "watched", "-o", "json")
    assert ran.code == 0, ran
    assert json.loads(ran.out)["state"] == "complete"
    assert site.settled(key)


def test_apply_waits_for_who_uses_a_changed_secret(skyctl: Run, site: Site, tmp_path: Path) -> None:
    def secret(value: str) -> str:
        (tmp_path / "secret.yaml").write_text(
            "apiVersion: skypanel.io/v1\nkind: Secret\n"
            f"metadata: {{name: db, organization: keyed}}\nspec: {{data: {{PASSWORD: {value}}}}}\n"
        )
        return str(tmp_path / "secret.yaml")

    site.apply(Manifest(Key("Organization", "", "keyed"), {}))
    assert skyctl("apply", "-f", secret("one"), "--wait").code == 0
    key = site.service(
        "keyed",
        environment={"PASSWORD": {"secret": "db", "key": "PASSWORD"}},
        update={"order": "startFirst", "minReady": "1s"},
    )
    uid = site.database.entries[key].resource.uid

    def ids() -> set[str]:
        return site.do(lambda: {c.id for c in site.engine.world.containers_of(uid)})

    before = ids()
    ran = skyctl("apply", "-f", secret("two"), "--wait", "--timeout", "20s")
    assert ran.code == 0, ran
    assert any(line.startswith("service/web: Running") for line in ran.lines), ran
    assert ids().isdisjoint(before)


def test_wait_names_the_conditions_that_there_are(skyctl: Run, site: Site) -> None:
    site.service("waited")
    ran = skyctl("wait", "svc/web", "--org", "waited", "--for", "Availble")
    assert ran.code == 2, ran
    assert "did you mean Available?" in ran.err
    assert "Ready, Available, Accepted" in ran.err
    assert skyctl("wait", "svc/web", "--org", "waited", "--for", "available").code == 0


def test_logs_of_a_replica_that_is_not_there(skyctl: Run, site: Site) -> None:
    site.service("counted")
    ran = skyctl("logs", "web", "--org", "counted", "--ordinal", "9")
    assert ran.code == 1, ran
    assert "no container with ordinal 9" in ran.err
    assert "has ordinal 0" in ran.err


def test_the_platforms_own_secret(skyctl: Run, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.apply(Manifest(Key("Organization", "", "acme"), {}))
    for organization in ("", "acme"):
        spec = {"data": {"KEY": "hush"}}
        site.apply(Manifest(Key("Secret", organization, "plat"), spec))
    site.apply(Manifest(Key("Secret", "", "only"), spec))
    monkeypatch.setenv("SKYCTL_ORG", "acme")
    ran = skyctl("get", "secret/plat", "--org", "", "-o", "json")
    assert ran.code == 0, ran
    assert not json.loads(ran.out)["metadata"].get("organization")
    missing = skyctl("get", "secret/only")
    assert missing.code == 1
    assert "the platform has one: --org ''" in missing.err
    assert skyctl("delete", "secret/plat", "--org", "").code == 0
    assert not site.database.entries[Key("Secret", "acme", "plat")].resource.deleting
