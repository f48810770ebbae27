"""apply, diff and plan against a whole controller on fakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resources.meta import Key, Manifest
from tests.unit.cli.conftest import Run
from tests.unit.cli.declaring import organization, service, write
from tests.unit.site import Site


def test_apply_waits_until_it_runs(skyctl: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", service("applied"), organization("applied"))
    ran = skyctl("apply", "-f", file, "--wait", "--timeout", "20s")
    assert ran.code == 0, ran
    assert ran.lines[:2] == ["service/web created", "organization/applied created"]
    assert ran.lines[-1].startswith(("service/web: Running", "organization/applied: Ready"))
    again = skyctl("apply", "-f", file)
    assert again.lines == ["service/web unchanged", "organization/applied unchanged"]


def test_apply_refuses_one_and_goes_on_with_the_others(skyctl: Run, tmp_path: Path) -> None:
    bad = service("partly", "bad", replicas="many")
    file = write(tmp_path / "a.yaml", organization("partly"), bad, service("partly"))
    ran = skyctl("apply", "-f", file)
    assert ran.code == 1
    assert ran.lines == [
        "organization/partly created",
        "service/bad refused",
        "service/web created",
    ]
    assert "error: CONFIGURATION_INVALID_SPEC" in ran.err
    assert f"{file}:1" in ran.err
    assert "/spec/replicas" in ran.err


def test_apply_dry_run(skyctl: Run, tmp_path: Path, site: Site) -> None:
    file = write(tmp_path / "a.yaml", organization("dryrun"))
    assert skyctl("apply", "-f", file, "--dry-run").lines == [
        "organization/dryrun created (dry run)"
    ]
    assert Key("Organization", "", "dryrun") not in site.database.entries


def test_apply_wait_fails_when_it_is_stuck(skyctl: Run, tmp_path: Path) -> None:
    stuck = service("stuck", image="no/such:1", imagePullPolicy="Never")
    file = write(tmp_path / "a.yaml", organization("stuck"), stuck)
    ran = skyctl("apply", "-f", file, "--wait", "--timeout", "10s")
    assert ran.code == 1
    assert "IMAGE_NOT_FOUND" in ran.err or "DEPLOYMENT_WAIT_TIMEOUT" in ran.err
    assert "try: " in ran.err


def test_apply_as_json(skyctl: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", organization("jsonly"), service("jsonly", replicas=-1))
    ran = skyctl("apply", "-f", file, "-o", "json")
    body = json.loads(ran.out)
    assert ran.code == 1
    assert [r["action"] for r in body["results"]] == ["created", "refused"]
    assert body["results"][1]["error"]["details"]["file"] == file


def test_diff_prints_the_steps_and_a_sum(skyctl: Run, tmp_path: Path, site: Site) -> None:
    file = write(tmp_path / "a.yaml", organization("differs"), service("differs"))
    ran = skyctl("diff", "-f", file)
    assert ran.code == 1
    assert ran.lines[0] == "+ Organization/differs create"
    assert "+ Service/web (differs) create" in ran.lines
    assert any(line.startswith("  CreateContainer differs_web_0_") for line in ran.lines)
    assert ran.lines[-1].startswith("2 to create, 0 to change, 0 to remove (")


def test_diff_of_nothing_is_0(skyctl: Run, tmp_path: Path, site: Site) -> None:
    site.service("same")
    file = write(tmp_path / "a.yaml", organization("same"), service("same"))
    ran = skyctl("diff", "-f", file)
    assert (ran.code, ran.out) == (0, "0 to create, 0 to change, 0 to remove (0 steps)\n")


def test_diff_of_a_change(skyctl: Run, tmp_path: Path, site: Site) -> None:
    site.service("changed")
    file = write(tmp_path / "a.yaml", service("changed", image="nginx:2"))
    ran = skyctl("diff", "-f", file)
    assert ran.code == 1
    assert ran.lines[:2] == [
        "~ Service/web (changed) configure", '    /spec/image: "nginx:1" -> "nginx:2"',
    ]  # fmt: skip
    assert ran.lines[-1].startswith("0 to create, 1 to change, 0 to remove")


@pytest.mark.parametrize("content", ["a: [", "kind: Nothing\n", None])
def test_diff_of_what_is_wrong_is_2(skyctl: Run, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "a.yaml"
    if content is not None:
        file.write_text(content)
    assert skyctl("diff", "-f", str(file)).code == 2


def test_diff_of_what_is_refused_is_2(skyctl: Run, tmp_path: Path) -> None:
    ran = skyctl("diff", "-f", write(tmp_path / "a.yaml", service("x", replicas="many")))
    assert ran.code == 2
    assert "1 refused" in ran.out


def test_diff_of_what_would_not_be_accepted_is_2(skyctl: Run, tmp_path: Path, site: Site) -> None:
    bad = service("held", ports=[{"containerPort": 80, "hostPort": 9}])
    ran = skyctl("diff", "-f", write(tmp_path / "a.yaml", organization("held"), bad))
    assert ran.code == 2
    assert "! Service/web (held) create, not accepted" in ran.lines
    assert ran.lines[-1].startswith("1 to create, 0 to change, 0 to remove, 1 not accepted (")


def test_diff_without_a_controller_is_2(offline: Run, tmp_path: Path) -> None:
    assert offline("diff", "-f", write(tmp_path / "a.yaml", organization("x"))).code == 2


def test_plan(skyctl: Run, site: Site) -> None:
    site.service("planned")
    assert skyctl("plan", "svc/web", "--org", "planned").lines == [
        "Service/web (planned): nothing to do",
        "nothing to do for 1 resources",
    ]
    body = json.loads(skyctl("plan", "svc/web", "--org", "planned", "-o", "json").out)
    assert body["plans"][0]["steps"] == []


def test_plan_of_a_paused_service_says_what_resuming_would_do(skyctl: Run, site: Site) -> None:
    key = site.service("halting")
    site.call(site.store.annotate(key, {"skypanel.io/paused": "lunch"}))
    site.apply(Manifest(key, {"image": "nginx:2"}))
    lines = skyctl("plan", "svc/web", "--org", "halting").lines
    assert "  wait: somebody to resume it; paused: lunch" in lines
    after = lines.index("  after skyctl resume service/web --org halting:")
    assert any(line.startswith("    BeginRollout generation 2 ") for line in lines[after:])
