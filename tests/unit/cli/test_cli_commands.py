"""Commands against a whole controller on fakes: reading, operations, decisions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.cli.events import row
from controller.cli.text import age, clock
from resources.meta import Key, Manifest
from tests.unit.cli.conftest import Run
from tests.unit.cli.declaring import organization, service, write
from tests.unit.site import Site

# ---------------------------------------------------------------- reading


def test_get_services(skyctl: Run, site: Site) -> None:
    site.service("listed")
    ran = skyctl("get", "services", "--org", "listed")
    head, row = ran.lines
    assert head.split() == ["NAME", "READY", "PHASE", "IMAGE", "AGE", "MESSAGE"]
    assert row.split()[:4] == ["web", "1/1", "Running", "nginx:1"]
    assert head.index("PHASE") == row.index("Running")
    assert "\t" not in ran.out
    assert "\x1b" not in ran.out


def test_get_says_whose_it_is_without_an_organization(skyctl: Run, site: Site) -> None:
    site.service("whose")
    ran = skyctl("get", "svc", "-A")
    assert ran.lines[0].split()[0] == "ORGANIZATION"
    assert any(line.startswith("whose ") for line in ran.lines)


def test_the_organization_of_the_environment(
    skyctl: Run, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.service("envorg")
    monkeypatch.setenv("SKYCTL_ORG", "envorg")
    assert len(skyctl("get", "svc").lines) == 2
    assert skyctl("get", "svc", "-A").lines[0].startswith("ORGANIZATION")


def test_get_by_labels(skyctl: Run, site: Site) -> None:
    home = Key("Organization", "", "labelled")
    site.apply(
        Manifest(home, {}),
        Manifest(Key("Service", "labelled", "a"), {"image": "nginx:1"}, {"tier": "front"}),
        Manifest(Key("Service", "labelled", "b"), {"image": "nginx:1"}, {"tier": "back"}),
    )
    ran = skyctl("get", "svc", "--org", "labelled", "-l", "tier=front", "-o", "name")
    assert ran.lines == ["service/a"]
    assert skyctl("get", "svc", "-l", "a~b").code == 2


@pytest.mark.parametrize(
    "words", [("service/web",), ("svc", "web"), ("Services/web",), ("SVC/web",)]
)
def test_get_one_in_every_form(skyctl: Run, site: Site, words: tuple[str, ...]) -> None:
    site.service("forms")
    ran = skyctl("get", *words, "--org", "forms", "-o", "json")
    assert json.loads(ran.out)["metadata"]["name"] == "web"


def test_get_as_yaml_can_be_applied_again(skyctl: Run, site: Site, tmp_path: Path) -> None:
    site.service("round")
    ran = skyctl("get", "svc/web", "--org", "round", "-o", "yaml")
    file = tmp_path / "web.yaml"
    file.write_text(ran.out)
    assert skyctl("apply", "-f", str(file)).lines == ["service/web unchanged"]


def test_get_all_shows_each_kind_with_its_prefix(skyctl: Run, site: Site) -> None:
    site.service("everything")
    ran = skyctl("get", "all", "--org", "everything")
    assert any(line.startswith("organization/everything ") for line in ran.lines)
    assert any(line.startswith("service/web ") for line in ran.lines)


def test_get_json_of_several_is_a_list(skyctl: Run, site: Site) -> None:
    site.service("listing")
    body = json.loads(skyctl("get", "svc", "--org", "listing", "-o", "json").out)
    assert body["kind"] == "List"
    assert len(body["items"]) == 1


def test_get_nothing(skyctl: Run) -> None:
    ran = skyctl("get", "volumes", "--org", "nowhere")
    assert (ran.code, ran.out, ran.err) == (0, "", "nothing found in organization nowhere\n")


def test_get_what_is_not_there(skyctl: Run) -> None:
    ran = skyctl("get", "svc/nope", "--org", "nowhere")
    assert ran.code == 1
    assert ran.err.startswith("error: RESOURCE_NOT_FOUND: ")
    ran = skyctl("get", "gizmos")
    assert ran.code == 2
    assert "CONFIGURATION_UNKNOWN_KIND" in ran.err


def test_describe(skyctl: Run, site: Site) -> None:
    site.service("described")
    ran = skyctl("describe", "svc/web", "--org", "described")
    assert ran.code == 0
    for part in ("Phase:         Running", "Conditions:", "Containers:", "Revisions:", "Events:"):
        assert part in ran.out
    assert "described_web_0_" in ran.out


def test_events_and_top(skyctl: Run, site: Site) -> None:
    site.service("lively")
    ran = skyctl("events", "svc/web", "--org", "lively")
    assert ran.lines[0].split() == ["AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "StartContainer" in ran.out
    top = skyctl("top", "svc/web", "--org", "lively")
    assert top.lines[0].split()[:3] == ["SERVICE", "ORDINAL", "CPU%"]
    assert len(top.lines) == 2


def test_an_event_that_is_watched_has_its_time(skyctl: Run, site: Site) -> None:
    site.service("watched")
    with site.client() as client:
        body = client.get("/v1/events", params={"organization": "watched"}).json()
    event = body["items"][0]
    assert row(event)[0] == age(event["at"])
    assert row(event, clock)[0] == clock(event["at"])
    assert row(event, clock)[0].count(":") == 2


def test_all_organizations_and_one_exclude_each_other(skyctl: Run, site: Site) -> None:
    ran = skyctl("get", "all", "-A", "--org", "x")
    assert ran.code == 2
    assert "-A is of all organizations, --org of one" in ran.err


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("events", "skyctl events"),
        ("pods", "skyctl get services"),
        ("namespaces", "organizations?"),
        ("ingress", "domains?"),
    ],
)
def test_words_of_elsewhere_lead_to_ours(skyctl: Run, word: str, advice: str) -> None:
    ran = skyctl("get", word)
    assert ran.code == 2
    assert advice in ran.err.split("try: ")[1]


def test_messages_of_others_cannot_move_the_cursor(skyctl: Run, site: Site) -> None:
    key = site.service("sly")
    site.call(site.store.annotate(key, {"note": "\x1b[2Jgotcha"}))
    assert "\x1b" not in skyctl("describe", "svc/web", "--org", "sly").out


# ---------------------------------------------------------------- operations


def test_scale_stop_start_undo(skyctl: Run, site: Site) -> None:
    site.service("worked")
    org = ("--org", "worked")
    ran = skyctl("scale", "web", "--replicas", "2", "--wait", *org)
    assert ran.code == 0, ran
    assert ran.lines[0] == "service/web scaled to 2"
    assert skyctl("scale", "web", "--replicas", "2", *org).lines == ["service/web has 2 already"]
    assert skyctl("stop", "web", "--wait", *org).code == 0
    assert skyctl("get", "svc/web", *org).lines[1].split()[2] == "Stopped"
    assert skyctl("start", "web", "--wait", *org).code == 0
    history = skyctl("rollout", "history", "web", *org)
    assert history.lines[-1].startswith("4*")
    assert skyctl("rollout", "undo", "web", "--to", "1", "--wait", *org).code == 0
    assert skyctl("rollout", "status", "web", *org).code == 0
    body = json.loads(skyctl("get", "svc/web", *org, "-o", "json").out)
    assert body["spec"] == {"image": "nginx:1"}


def test_restart_waits_for_new_containers(skyctl: Run, site: Site) -> None:
    key = site.service("again")
    uid = site.database.entries[key].resource.uid
    before = {c.id for c in site.engine.world.containers_of(uid)}
    ran = skyctl("restart", "svc/web", "--org", "again", "--wait", "--timeout", "20s")
    assert ran.code == 0, ran
    assert before.isdisjoint({c.id for c in site.engine.world.containers_of(uid)})


def test_what_belongs_to_a_file_is_refused(skyctl: Run, site: Site) -> None:
    key = site.service("owned")
    site.call(site.store.adopt(key, source="manifest:shop"))
    ran = skyctl("scale", "web", "--replicas", "3", "--org", "owned")
    assert ran.code == 1
    assert "RESOURCE_OWNED_ELSEWHERE" in ran.err
    assert "edit the file in the manifest source shop" in ran.err
    assert skyctl("adopt", "svc/web", "--source", "api", "--org", "owned").lines == [
        "service/web now belongs to api"
    ]
    assert skyctl("scale", "web", "--replicas", "3", "--org", "owned").code == 0


def test_delete_waits_until_it_is_gone(skyctl: Run, site: Site) -> None:
    key = site.service("deleted")
    ran = skyctl("delete", "svc/web", "--org", "deleted", "--wait", "--timeout", "20s")
    assert ran.code == 0, ran
    assert ran.lines[0] == "service/web deletion requested"
    assert ran.lines[-1] == "service/web: deleted"
    assert key not in site.database.entries
    assert skyctl("delete", "svc/web", "--org", "deleted").code == 1


def test_delete_what_files_declare(skyctl: Run, site: Site, tmp_path: Path) -> None:
    site.service("filed")
    file = write(tmp_path / "a.yaml", organization("filed"), service("filed"))
    ran = skyctl("delete", "-f", file, "--wait", "--timeout", "20s", "--yes")
    assert ran.code == 0, ran
    assert ran.lines[:2] == [
        "service/web deletion requested",
        "organization/filed deletion requested",
    ]
    assert Key("Organization", "", "filed") not in site.database.entries


def test_wait(skyctl: Run, site: Site) -> None:
    site.service("awaited")
    org = ("--org", "awaited", "--timeout", "3s")
    assert skyctl("wait", "svc/web", "--for", "Ready", *org).code == 0
    assert skyctl("wait", "svc/web", "--for", "available", *org).code == 0
    ran = skyctl("wait", "svc/web", "--for", "Stalled", "--org", "awaited", "--timeout", "1s")
    assert ran.code == 1
    assert "DEPLOYMENT_WAIT_TIMEOUT" in ran.err
    assert skyctl("wait", "svc/never", "--for", "deleted", *org).lines == ["svc/never: deleted"]
    assert skyctl("wait", "svc/web", "--for", "???", *org).code == 2


def test_logs(skyctl: Run, site: Site) -> None:
    key = site.service("logged", replicas=2)
    uid = site.database.entries[key].resource.uid

    def say() -> None:
        for container in site.engine.world.containers_of(uid):
            line = ("stdout", "2026-01-01T00:00:00.000000001Z", f"from {container.name}")
            site.engine.machine.lives[container.id].logs.append(line)

    site.do(say)
    ran = skyctl("logs", "web", "--org", "logged")
    assert ran.code == 0
    assert len(ran.lines) == 2
    for line in ran.lines:
        name, _, text = line.partition(" ")
        assert text == f"from {name}"
    one = skyctl("logs", "web", "--org", "logged", "--ordinal", "0", "--timestamps")
    assert one.lines[0].startswith("2026-01-01T00:00:00.000000001Z from logged_web_0_")
    assert skyctl("logs", "web", "--org", "logged", "--previous").code == 0


def test_exec_in_what_is_stopped_says_start(skyctl: Run, site: Site) -> None:
    key = site.service("asleep", state="running")
    org = ("--org", "asleep")
    site.call(site.store.adopt(key, source="api"))
    assert skyctl("stop", "web", *org, "--wait").code == 0
    ran = skyctl("exec", "web", *org, "--", "ls")
    assert ran.code == 1
    assert "try: it is declared as stopped: skyctl start service/web --org asleep" in ran.err


def test_exec_exits_as_the_command_did(skyctl: Run, site: Site) -> None:
    site.service("inside")
    ran = skyctl("exec", "svc/web", "--org", "inside", "--", "echo", "-o", "json")
    assert (ran.code, ran.out) == (0, "echo -o json\n")
    assert skyctl("exec", "web", "--org", "inside", "--", "exit", "7").code == 7
    assert skyctl("exec", "web", "--org", "inside").code == 2
    ran = skyctl("exec", "web", "--org", "inside", "--ordinal", "5", "--", "ls")
    assert ran.code == 1
    assert "DEPLOYMENT_NOT_RUNNING" in ran.err


# ---------------------------------------------------------------- decisions


def test_guard(skyctl: Run, site: Site) -> None:
    epoch = site.database.epoch
    held = site.call(site.store.hold("manifest:x", ["Service/a/b"], 9, "g", epoch=epoch))
    ran = skyctl("guard", "list")
    assert held.id in ran.out
    assert "1 of 9" in ran.out
    assert "  Service/a/b" in ran.lines
    assert skyctl("guard", "discard", held.id).lines == [f"{held.id} discarded: 1 are kept"]
    assert held.id not in skyctl("guard", "list").out
    assert held.id in skyctl("guard", "list", "--all").out
    assert skyctl("guard", "approve", "nonsense").code == 1


def test_status_and_adopt_engine(skyctl: Run) -> None:
    ran = skyctl("status")
    assert ran.code == 0
    assert any(line.split() == ["role:", "leader"] for line in ran.lines)
    assert "belongs to this engine already" in skyctl("adopt-engine", "--yes").out
