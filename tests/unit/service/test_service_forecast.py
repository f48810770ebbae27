"""What ``skyctl diff`` shows of a service: everything that applying leads to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from resources.meta import ANNOTATION_PAUSED, Key, Manifest
from tests.unit.service.preview import diff
from tests.unit.service.theatre import Theatre


def service(name: str, **spec: Any) -> Manifest:
    return Manifest(Key("Service", "acme", name), {"image": "nginx:1.27", **spec})


async def test_an_update_is_shown_to_its_end_though_it_takes_time() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    before = stage.world.containers.copy()
    found = (await diff(stage, service("web")))["web"]
    assert [type(step).__name__ for step in found.plan.steps] == [
        "Accept",
        "BeginRollout",
        "PullImage",
        "CreateContainer",
        "StartContainer",
        "StopContainer",
        "RemoveContainer",
        "EndRollout",
    ]
    assert "image changed: nginx:1.26 -> nginx:1.27" in found.plan.render()
    assert stage.world.containers == before


async def test_what_waits_for_another_is_shown_too() -> None:
    stage = Theatre()
    found = await diff(stage, service("app", dependsOn=["db"]), service("db"))
    assert "CreateContainer acme_app_0_" in found["app"].plan.render()
    assert "CreateContainer acme_db_0_" in found["db"].plan.render()


async def test_an_image_that_the_engine_has_is_not_pulled() -> None:
    stage = Theatre()
    stage.go(stage.service())
    assert "PullImage" in (await diff(stage, service("web")))["web"].plan.render()
    found = (await diff(stage, service("web"), present={"nginx:1.27"}))["web"]
    assert "PullImage" not in found.plan.render()
    assert "CreateContainer" in found.plan.render()


async def test_what_is_not_made_yet_has_no_uid_in_its_names() -> None:
    stage = Theatre()
    found = await diff(stage, Manifest(Key("Organization", "", "new"), {}))
    assert "CreateNetwork skypanel_new_xxxxxxxx " in found["new"].plan.render()


async def test_what_is_decided_when_it_is_applied_looks_undecided() -> None:
    stage = Theatre()
    home, data = Key("Organization", "", "new"), Key("Volume", "new", "data")
    mounts = {"volumes": [{"volume": "data", "mountPath": "/data"}]}
    web = Manifest(Key("Service", "new", "web"), {"image": "nginx:1.27", **mounts})
    plain = Manifest(Key("Service", "new", "plain"), {"image": "nginx:1.27"})
    found = await diff(stage, Manifest(home, {}), Manifest(data, {}), web, plain)
    network = found["new"].plan.render()
    assert "ReserveSubnet x.x.x.x/24 (free in 10.128.0.0/9)" in network
    assert "CreateNetwork skypanel_new_xxxxxxxx x.x.x.x/24" in network
    made = found["web"].plan.render()
    assert "BeginRollout generation 1 v1:xxxxxxxxxxxxxxxx" in made
    assert "CreateContainer new_web_0_xxxxxx " in made
    assert "StartContainer new_web_0_xxxxxx " in made
    assert "xxxxxx" not in found["plain"].plan.render(), "that one is known"


async def test_what_is_declared_is_decided() -> None:
    stage = Theatre()
    home = Manifest(Key("Organization", "", "new"), {"network": {"subnet": "10.9.9.0/24"}})
    assert (
        "CreateNetwork skypanel_new_xxxxxxxx 10.9.9.0/24"
        in (await diff(stage, home))["new"].plan.render()
    )


async def test_what_would_not_be_accepted_is_told_apart() -> None:
    stage = Theatre()
    web = service("web", volumes=[{"volume": "nowhere", "mountPath": "/x"}])
    found = await diff(stage, web, service("fine"))
    assert (found["web"].action, found["web"].accepted) == ("create", False)
    assert found["web"].plan.problem is not None
    assert found["fine"].accepted


async def test_labels_and_annotations_differ_as_the_store_would_have_them() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    entry = stage.rows[web]
    resource = replace(
        entry.resource,
        labels={"tier": "web"},
        annotations={ANNOTATION_PAUSED: "later", "example.com/note": "a"},
    )
    stage.rows[web] = replace(entry, resource=resource)
    same = Manifest(web, entry.resource.spec, {"tier": "web"}, {"example.com/note": "a"})
    assert (await diff(stage, same))["web"].action == "unchanged"
    found = (await diff(stage, Manifest(web, entry.resource.spec, {"tier": "db"})))["web"]
    assert found.action == "configure"
    assert found.changes == (
        '/metadata/labels/tier: "web" -> "db"',
        '/metadata/annotations/example.com/note: "a" -> (absent)',
    )


async def test_what_belongs_to_another_source_is_refused_with_the_way_out() -> None:
    stage = Theatre()
    web = stage.service()
    entry = stage.rows[web]
    stage.rows[web] = replace(entry, resource=replace(entry.resource, source="api"))
    found = (await diff(stage, service("web")))["web"]
    assert found.action == "refused"
    assert found.error is not None
    assert found.error.code == "RESOURCE_OWNED_ELSEWHERE"
    assert "through api" in found.error.suggestions[0]


async def test_a_file_is_compared_before_it_is_saved() -> None:
    stage = Theatre()
    web = stage.service()
    entry = stage.rows[web]
    stage.rows[web] = replace(entry, resource=replace(entry.resource, source="manifest:shop"))
    assert (await diff(stage, service("web")))["web"].action != "refused"


async def test_a_long_diff_lets_others_run() -> None:
    stage = Theatre()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    names = [f"s{number}" for number in range(20)]
    await diff(stage, *(service(name) for name in names))
    task.cancel()
    assert turns > 2 * len(names)
