from __future__ import annotations

from typing import Any

import httpx

from resources.meta import Key, Manifest
from tests.unit.site import Site


def manifest(kind: str, organization: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"organization": organization} if organization else {})
    return {"apiVersion": "skypanel.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def apply(http: httpx.Client, *manifests: Any, **options: Any) -> list[dict[str, Any]]:
    answer = http.post("/v1/apply", json={"manifests": list(manifests), **options})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def actions(results: list[dict[str, Any]]) -> list[str]:
    return [result["action"] for result in results]


def test_created_then_unchanged_then_configured(http: httpx.Client) -> None:
    org = manifest("Organization", "", "one")
    web = manifest("Service", "one", "web", image="nginx:1")
    assert actions(apply(http, org, web)) == ["created", "created"]
    assert actions(apply(http, org, web)) == ["unchanged", "unchanged"]
    results = apply(http, manifest("Service", "one", "web", image="nginx:2"))
    assert actions(results) == ["configured"]
    assert results[0]["generation"] == 2


def test_results_are_in_the_order_of_the_request(http: httpx.Client) -> None:
    results = apply(
        http,
        manifest("Service", "two", "web", image="nginx:1"),
        {"kind": 7},
        manifest("Organization", "", "two"),
    )
    assert [(r["index"], r["kind"], r["action"]) for r in results] == [
        (0, "Service", "created"),
        (1, "", "refused"),
        (2, "Organization", "created"),
    ]


def test_a_dry_run_writes_nothing(http: httpx.Client, site: Site) -> None:
    org = manifest("Organization", "", "dry")
    assert actions(apply(http, org, dryRun=True)) == ["created"]
    assert Key("Organization", "", "dry") not in site.database.entries


def test_the_second_document_of_a_name_is_refused(http: httpx.Client) -> None:
    org = manifest("Organization", "", "twice")
    first, second = apply(http, org, org, dryRun=True)
    assert (first["action"], second["action"]) == ("created", "refused")
    assert second["error"]["code"] == "RESOURCE_CONFLICT"
    assert "documents 1 and 2" in second["error"]["message"]


def test_what_a_file_owns_is_refused_with_the_way_out(http: httpx.Client, site: Site) -> None:
    site.apply(Manifest(Key("Organization", "", "filed"), {}), source="manifest:shop")
    (result,) = apply(http, manifest("Organization", "", "filed", displayName="x"))
    assert result["action"] == "refused"
    assert result["error"]["code"] == "RESOURCE_OWNED_ELSEWHERE"
    first, second = result["error"]["suggestions"]
    assert "manifest source shop" in first
    assert "skyctl adopt organization/filed --source api" in second


def test_what_is_printed_can_be_applied(http: httpx.Client) -> None:
    apply(http, manifest("Organization", "", "again"))
    printed = http.get("/v1/resources/org/again").json()
    assert actions(apply(http, printed)) == ["unchanged"]


def test_who_acts_is_recorded(http: httpx.Client, site: Site) -> None:
    body = {"manifests": [manifest("Organization", "", "acted")]}
    http.post("/v1/apply", json=body, headers={"skyctl-actor": "user:ann\x7f"})
    created = site.database.entries[Key("Organization", "", "acted")].resource.created_by
    assert created == "user:ann"


def test_diff_shows_the_steps_and_writes_nothing(http: httpx.Client, site: Site) -> None:
    manifests = [
        manifest("Organization", "", "diffed"),
        manifest("Service", "diffed", "web", image="nginx:1"),
        manifest("Service", "diffed", "bad", image="nginx:1", replicas="many"),
    ]
    found = http.post("/v1/diff", json={"manifests": manifests}).json()["differences"]
    by_name = {d["name"]: d for d in found}
    assert by_name["diffed"]["action"] == by_name["web"]["action"] == "create"
    assert by_name["bad"]["action"] == "refused"
    assert any(s["verb"] == "CreateContainer" for s in by_name["web"]["steps"])
    assert by_name["web"]["text"].splitlines()[0] == by_name["web"]["steps"][0]["text"]
    assert Key("Service", "diffed", "web") not in site.database.entries


def test_plan_of_what_is_converged_is_empty(http: httpx.Client, site: Site) -> None:
    site.service("planned")
    query = {"kind": "svc", "name": "web", "organization": "planned"}
    (plan,) = http.get("/v1/plan", params=query).json()["plans"]
    assert (plan["steps"], plan["wait"], plan["problem"], plan["text"]) == ([], None, None, "")
