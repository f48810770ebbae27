"""-o wherever something is printed; -A and -l wherever resources are chosen."""

from __future__ import annotations

import json

import pytest
import yaml

from resources.meta import Key, Manifest
from tests.unit.cli.conftest import Run
from tests.unit.site import Site

OPERATIONS = (
    "scale web --replicas 2 --wait",
    "restart web --wait",
    "pause web",
    "resume web",
    "stop web --wait",
    "start web --wait",
    "rollout undo web --to 1 --wait",
    "wait svc/web --for Ready",
    "adopt svc/web --source api",
    "delete svc/web --wait",
)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_was_done_for_programs(skyctl: Run, site: Site, form: str) -> None:
    organization = f"forms-{form}"
    site.service(organization)
    for operation in OPERATIONS:
        waits = ("--timeout", "20s") if "wait" in operation else ()
        ran = skyctl(*operation.split(), "--org", organization, "-o", form, *waits)
        assert ran.code == 0, (operation, ran)
        told = json.loads(ran.out) if form == "json" else yaml.safe_load(ran.out)
        assert told.get("action") or told.get("items"), (operation, told)


def test_explain_and_seal_for_programs(skyctl: Run, site: Site) -> None:
    told = json.loads(skyctl("explain", "service.replicas", "-o", "json").out)
    assert (told["kind"], told["field"]) == ("Service", "replicas")
    assert told["text"]
    key = json.loads(skyctl("seal", "--print-key", "-o", "json").out)
    assert key["publicKey"] == skyctl("seal", "--print-key").out.strip()


def test_chosen_by_labels_and_anywhere(skyctl: Run, site: Site) -> None:
    for organization, app in (("here", "shop"), ("there", "blog")):
        site.service(organization)
        key = Key("Service", organization, "web")
        site.apply(Manifest(key, {"image": "nginx:1"}, {"app": app}))
        site.until(lambda key=key: site.settled(key))
    shop = ("-A", "-l", "app=shop", "-o", "json")
    (described,) = json.loads(skyctl("describe", "svc", *shop).out)
    assert described["resource"]["metadata"]["organization"] == "here"
    assert len(json.loads(skyctl("wait", "svc", *shop).out)["items"]) == 1
    assert (
        json.loads(skyctl("wait", "svc", "-A", "-l", "app in (shop,blog)", "-o", "json").out)[
            "items"
        ][1]["organization"]
        == "there"
    )
    happened = json.loads(skyctl("events", *shop).out)["items"]
    assert {event["organization"] for event in happened} == {"here"}
    consumed = json.loads(skyctl("top", *shop).out)["items"]
    assert {item["organization"] for item in consumed} <= {"here"}
    assert skyctl("logs", "svc", "-A", "-l", "app=shop").code == 0
    assert skyctl("logs", "svc", "-A", "-f", "-l", "app in (shop,blog)").code == 2
    gone = json.loads(skyctl("delete", "svc", *shop).out)["items"]
    assert [(d["organization"], d["name"]) for d in gone] == [("here", "web")]
    assert skyctl("delete", "svc/web", "-l", "app=blog", "-A").code == 2
