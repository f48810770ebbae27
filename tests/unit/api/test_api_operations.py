"""Operations, decisions and reading, over a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from resources.meta import Key, Manifest
from tests.unit.site import Site


def post(http: httpx.Client, path: str, org: str, body: Any = None) -> httpx.Response:
    return http.post(f"/v1/resources/service/{path}", json=body, params={"organization": org})


def test_scale_changes_the_spec_and_says_so(http: httpx.Client, site: Site) -> None:
    key = site.service("scaled")
    answer = post(http, "web/scale", "scaled", {"replicas": 3}).json()
    assert answer["action"] == "configured"
    assert answer["resource"]["spec"] == {"image": "nginx:1", "replicas": 3}
    assert answer["resource"]["metadata"]["generation"] == 2
    site.until(lambda: site.settled(key))
    assert site.database.entries[key].status["readyReplicas"] == 3  # type: ignore[index]
    assert post(http, "web/scale", "scaled", {"replicas": 3}).json()["action"] == "unchanged"


def test_stop_and_start(http: httpx.Client, site: Site) -> None:
    key = site.service("halted")
    assert post(http, "web/start", "halted").json()["action"] == "unchanged"
    assert post(http, "web/stop", "halted").json()["resource"]["spec"]["state"] == "stopped"
    site.until(lambda: site.database.entries[key].status["phase"] == "Stopped")  # type: ignore[index]
    assert post(http, "web/start", "halted").json()["action"] == "configured"
    site.until(lambda: site.settled(key))


def test_undo_declares_the_last_accepted_spec_again(http: httpx.Client, site: Site) -> None:
    key = site.service("undone")
    site.apply(Manifest(key, {"image": "nginx:2"}))
    site.until(lambda: site.settled(key))
    answer = post(http, "web/undo", "undone").json()
    assert answer["resource"]["spec"] == {"image": "nginx:1"}
    assert answer["resource"]["metadata"]["generation"] == 3
    query = {"organization": "undone"}
    history = http.get("/v1/resources/svc/web/revisions", params=query).json()["items"]
    assert [(r["generation"], r["current"], r["changes"]) for r in history] == [
        (1, False, []),
        (2, False, ['/spec/image: "nginx:1" -> "nginx:2"']),
        (3, True, ['/spec/image: "nginx:2" -> "nginx:1"']),
    ]


def test_undo_of_the_first_generation_is_refused(http: httpx.Client, site: Site) -> None:
    site.service("fresh")
    answer = post(http, "web/undo", "fresh")
    assert (answer.status_code, answer.json()["code"]) == (409, "DEPLOYMENT_NOTHING_TO_UNDO")
    answer = post(http, "web/undo", "fresh", {"generation": 9})
    assert "no revision of generation 9" in answer.json()["message"]


@pytest.mark.parametrize("operation", ["scale", "stop", "undo"])
def test_a_spec_of_another_source_is_refused(
    http: httpx.Client, site: Site, operation: str
) -> None:
    key = Key("Service", f"owned-{operation}", "web")
    site.apply(Manifest(Key("Organization", "", key.organization), {}))
    site.apply(Manifest(key, {"image": "nginx:1"}), source="manifest:shop")
    site.until(lambda: site.settled(key))
    site.apply(Manifest(key, {"image": "nginx:2"}), source="manifest:shop")
    site.until(lambda: site.settled(key))
    answer = post(
        http, f"web/{operation}", key.organization, {"scale": {"replicas": 2}}.get(operation)
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "RESOURCE_OWNED_ELSEWHERE")
    assert "manifest source shop" in answer.json()["suggestions"][0]


def test_restart_pause_and_resume_are_for_anybody(http: httpx.Client, site: Site) -> None:
    key = Key("Service", "annotated", "web")
    site.apply(Manifest(Key("Organization", "", "annotated"), {}))
    site.apply(Manifest(key, {"image": "nginx:1"}), source="sql")
    assert (
        post(http, "web/pause", "annotated", {"reason": "moving"}).json()["action"] == "configured"
    )
    annotations = post(http, "web/restart", "annotated").json()["resource"]["metadata"][
        "annotations"
    ]
    assert annotations["skypanel.io/paused"] == "moving"
    assert annotations["skypanel.io/restartedAt"]
    answer = post(http, "web/resume", "annotated").json()
    assert "skypanel.io/paused" not in answer["resource"]["metadata"]["annotations"]
    assert post(http, "web/resume", "annotated").json()["action"] == "unchanged"


def test_a_name_of_two_organizations_is_ambiguous(http: httpx.Client, site: Site) -> None:
    site.service("left", "both")
    site.service("right", "both")
    answer = http.get("/v1/resources/svc/both")
    assert (answer.status_code, answer.json()["code"]) == (409, "RESOURCE_AMBIGUOUS")
    assert answer.json()["details"]["organizations"] == ["left", "right"]
    found = http.get("/v1/resources/svc/both", params={"organization": "right"})
    assert found.json()["metadata"]["organization"] == "right"


def test_a_name_elsewhere_is_suggested(http: httpx.Client, site: Site) -> None:
    site.service("elsewhere", "solo")
    answer = http.get("/v1/resources/svc/solo", params={"organization": "left"})
    assert answer.status_code == 404
    assert any("--org elsewhere" in s for s in answer.json()["suggestions"])


def test_deleting_is_a_request(http: httpx.Client, site: Site) -> None:
    key = site.service("leaving")
    answer = http.delete("/v1/resources/svc/web", params={"organization": "leaving"})
    assert answer.status_code == 202
    site.until(lambda: key not in site.database.entries)


def test_what_is_protected_stays(http: httpx.Client, site: Site) -> None:
    key = site.service("kept")
    site.call(site.store.annotate(key, {"skypanel.io/protect": "billing"}))
    answer = http.delete("/v1/resources/svc/web", params={"organization": "kept"})
    assert (answer.status_code, answer.json()["code"]) == (409, "RESOURCE_PROTECTED")


def test_scaling_makes_nobodys_annotation_the_manifests(http: httpx.Client, site: Site) -> None:
    key = site.service("noted")
    post(http, "web/pause", "noted", {"reason": "later"})
    assert post(http, "web/scale", "noted", {"replicas": 2}).status_code == 200
    row = site.database.entries[key].resource
    assert (row.applied_annotations, row.annotations) == ((), {"skypanel.io/paused": "later"})


def test_adopt(http: httpx.Client, site: Site) -> None:
    key = site.service("adopted")
    answer = post(http, "web/adopt", "adopted", {"source": "manifest:shop"}).json()
    assert answer["resource"]["metadata"]["source"] == "manifest:shop"
    assert site.database.entries[key].resource.source == "manifest:shop"
    again = post(http, "web/adopt", "adopted", {"source": "manifest:shop"}).json()
    assert again["action"] == "unchanged"


def test_guard(http: httpx.Client, site: Site) -> None:
    epoch = site.database.epoch
    held = site.call(site.store.hold("manifest:x", ["Service/a/b"], 10, "f", epoch=epoch))
    (item,) = http.get("/v1/guard").json()["items"]
    assert (item["id"], item["state"], item["items"], item["total"]) == (
        held.id, "held", ["Service/a/b"], 10,
    )  # fmt: skip
    assert http.post(f"/v1/guard/{held.id}/discard").json()["state"] == "discarded"


def test_retained_volumes(http: httpx.Client, site: Site) -> None:
    home, key = Key("Organization", "", "keeper"), Key("Volume", "keeper", "data")
    site.apply(Manifest(home, {}), Manifest(key, {"size": "1Gi"}))
    site.until(lambda: site.settled(key))
    http.delete("/v1/resources/volume/data", params={"organization": "keeper"})
    site.until(lambda: key not in site.database.entries)
    (item,) = http.get("/v1/retained-volumes").json()["items"]
    assert (item["organization"], item["expiresAt"]) == ("keeper", None)
    answer = http.post(f"/v1/retained-volumes/{item['engineName']}/purge")
    assert answer.json()["uid"] == item["uid"]
    site.until(lambda: not http.get("/v1/retained-volumes").json()["items"], "its data is gone")
    assert item["engineName"] not in site.do(lambda: set(site.engine.world.volumes))


def test_controller_and_engine(http: httpx.Client, site: Site) -> None:
    found = http.get("/v1/controller").json()
    assert (found["role"], found["ready"], found["reasons"]) == ("leader", True, [])
    assert found["engine"]["id"] == found["boundEngine"]
    assert http.post("/v1/adopt-engine").json() == {"engine": found["boundEngine"]}


def test_top(http: httpx.Client, site: Site) -> None:
    site.service("busy")
    (item,) = http.get("/v1/top", params={"name": "web", "organization": "busy"}).json()["items"]
    assert (item["service"], item["ordinal"]) == ("web", 0)
    assert item["memoryLimit"] == 256 * 1024**2
    assert len(http.get("/v1/top").json()["items"]) >= 1


def test_describe_has_events_and_revisions(http: httpx.Client, site: Site) -> None:
    site.service("told")
    query = {"organization": "told"}
    found = http.get("/v1/resources/svc/web/describe", params=query).json()
    assert found["resource"]["status"]["phase"] == "Running"
    assert [r["generation"] for r in found["revisions"]] == [1]
    assert any(e["reason"] == "StartContainer" for e in found["events"])


def test_a_store_that_is_away_is_503(http: httpx.Client, site: Site) -> None:
    site.database.available = False
    try:
        answer = http.get("/v1/resources")
        assert (answer.status_code, answer.json()["code"]) == (
            503, "CONFIGURATION_STORE_UNAVAILABLE",
        )  # fmt: skip
        assert answer.json()["retryable"] is True
    finally:
        site.database.available = True


def test_openapi_knows_every_route_and_the_error(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert {"/v1/apply", "/v1/resources/{kind}/{name}/logs", "/metrics"} <= set(document["paths"])
    error = document["components"]["schemas"]["ErrorBody"]["properties"]
    assert set(error) == {"code", "message", "details", "suggestions", "retryable"}
