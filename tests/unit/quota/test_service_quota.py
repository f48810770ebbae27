"""A service and its organization's quota: what it asks for, when, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from resources.meta import Key
from resources.quota import Claims
from resources.steps import CreateContainer
from resources.store_steps import Claim
from tests.unit.service.theatre import Theatre

MI = 1 << 20
SMALL = {"resources": {"cpu": "100m", "memory": "64Mi"}}


def allowing(stage: Theatre, **quota: Any) -> None:
    stage.declare("Organization", "", "acme", {"plan": "Starter", "quota": quota})
    stage.settle(stage.organization)


def held(stage: Theatre, key: Key) -> Claims:
    admission = stage.rows[key].record.admission
    return admission.claims if admission is not None else {}


def of(number: int) -> Claims:
    cpu, memory = number * 100_000_000, number * 64 * MI
    return {"cpu": cpu, "memory": memory, "services": 1, "containers": number}


def usage(stage: Theatre, resource: str) -> tuple[Any, Any]:
    found = stage.status(stage.organization)["usage"][resource]
    return found["used"], found["limit"]


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status["conditions"]}


def test_without_a_quota_claims_are_recorded_along() -> None:
    stage = Theatre()
    web = stage.service(replicas=2, **SMALL)
    said = stage.go(web)
    assert "Claim" not in "\n".join(said)
    assert held(stage, web) == of(2)
    assert usage(stage, "containers") == (2, None)


def test_a_claim_comes_before_anything_else() -> None:
    stage = Theatre()
    allowing(stage, containers=4, cpu=1)
    web = stage.service(replicas=2, **SMALL)
    assert stage.text(web) == (
        "Claim cpu 200m, memory 128Mi, services 1, containers 2 (generation 1)"
    )
    stage.run(web)
    assert stage.text(web).startswith("Accept generation 1 (new)")
    stage.go(web)
    assert held(stage, web) == of(2)
    assert usage(stage, "containers") == (2, 4)
    assert usage(stage, "cpu") == (0.2, 1)
    assert stage.plan(web).converged


def test_one_too_many_is_refused_and_told_why() -> None:
    stage = Theatre()
    allowing(stage, containers=3)
    stage.go(stage.service("first", replicas=2, **SMALL))
    second = stage.service("second", replicas=2, **SMALL)
    stage.go(second)
    assert not stage.containers(second)
    status = stage.status(second)
    assert status["error"]["code"] == "RESOURCE_QUOTA_EXCEEDED"
    assert status["message"] == (
        'the quota of plan "Starter" does not allow it: '
        "containers: limit 3, used 2, requested 2 more"
    )
    assert status["error"]["details"]["pointer"] == "/spec/replicas"
    assert conditions(status)["Accepted"] == "False"
    assert not stage.plan(second).steps  # it waits without a write
    assert stage.status(second) == status


def test_scaling_beyond_the_quota_leaves_the_earlier_generation_running() -> None:
    stage = Theatre()
    allowing(stage, containers=2)
    web = stage.service(replicas=2, **SMALL)
    stage.go(web)
    stage.service(replicas=3, **SMALL)
    stage.go(web)
    status = stage.status(web)
    assert conditions(status)["Accepted"] == "False"
    assert conditions(status)["Available"] == "True"
    assert len(stage.containers(web)) == 2
    stage.world.drop_container(stage.containers(web)[1].id)
    assert any(isinstance(step, CreateContainer) for step in stage.plan(web).steps)  # healed


def test_a_rollout_claims_its_surge_and_gives_it_back() -> None:
    stage = Theatre()
    allowing(stage, containers=3)
    web = stage.service(replicas=2, **SMALL)
    stage.go(web)
    stage.optimistic = False
    stage.service(replicas=2, image="nginx:1.27", healthCheck={"tcp": {"port": 80}}, **SMALL)
    plan = stage.run(web)
    assert isinstance(plan.steps[0], Claim)
    assert held(stage, web)["containers"] == 3
    stage.run(web)
    assert len(stage.containers(web)) == 3
    assert usage(stage, "containers") == (3, 3)
    stage.optimistic = True
    for container in stage.containers(web):
        stage.probe(container, "healthy")
    stage.go(web)
    assert {c.image for c in stage.containers(web)} == {"nginx:1.27"}
    assert held(stage, web) == of(2)
    assert stage.plan(web).converged


def test_a_surge_that_does_not_fit_is_refused_with_a_way_out() -> None:
    stage = Theatre()
    allowing(stage, containers=2)
    web = stage.service(replicas=2, **SMALL)
    stage.go(web)
    stage.service(replicas=2, image="nginx:1.27", **SMALL)
    stage.go(web)
    status = stage.status(web)
    assert status["message"] == (
        'the quota of plan "Starter" does not allow it: containers: limit 2, used 2, '
        "requested 1 more (its rollout needs 1 container beside the 2 of its replicas)"
    )
    assert status["error"]["details"]["pointer"] == "/spec/update"
    assert "stopFirst" in status["error"]["suggestions"][0]
    assert {c.image for c in stage.containers(web)} == {"nginx:1.26"}
    stage.service(replicas=2, image="nginx:1.27", update={"order": "stopFirst"}, **SMALL)
    stage.go(web)
    assert {c.image for c in stage.containers(web)} == {"nginx:1.27"}
    assert conditions(stage.status(web))["Ready"] == "True"


def test_a_restart_needs_its_surge_as_well() -> None:
    stage = Theatre()
    allowing(stage, containers=1)
    web = stage.service(**SMALL)
    stage.go(web)
    before = stage.only(web)
    stage.annotate(web, restartedAt="now")
    stage.go(web)
    status = stage.status(web)
    assert status["error"]["code"] == "RESOURCE_QUOTA_EXCEEDED"
    assert stage.only(web) == before
    assert conditions(status)["Available"] == "True"
    assert not stage.plan(web).steps
    allowing(stage, containers=2)
    stage.go(web)
    assert stage.only(web).id != before.id or stage.only(web).name != before.name
    assert stage.plan(web).converged


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_freed_quota_lets_the_waiting_in_in_order(order: tuple[str, str]) -> None:
    stage = Theatre()
    allowing(stage, containers=1)
    first = stage.service("first", **SMALL)
    stage.go(first)
    keys = [stage.service(name, **SMALL) for name in order]
    for key in reversed(keys):  # who is looked at first makes no difference
        stage.go(key)
    stage.delete(first)
    stage.go(first)
    assert "Settle" in stage.text(stage.organization)
    stage.settle(stage.organization)
    for key in reversed(keys):
        stage.go(key)
    assert [len(stage.containers(key)) for key in keys] == [1, 0]
    assert not stage.plan(stage.organization).steps


def test_a_shrunken_quota_stops_nobody_and_admits_nobody() -> None:
    stage = Theatre()
    web = stage.service(replicas=3, update={"order": "stopFirst"}, **SMALL)
    stage.go(web)
    allowing(stage, containers=1)
    assert usage(stage, "containers") == (3, 1)
    assert not stage.plan(web).steps
    other = stage.service("other", **SMALL)
    stage.go(other)
    assert not stage.containers(other)
    stage.service(replicas=3, image="nginx:1.27", update={"order": "stopFirst"}, **SMALL)
    stage.go(web)  # what needs no more than it holds is let through
    assert {c.image for c in stage.containers(web)} == {"nginx:1.27"}
    assert len(stage.containers(web)) == 3


def test_scaling_down_holds_its_share_until_the_containers_are_gone() -> None:
    stage = Theatre()
    allowing(stage, containers=3)
    web = stage.service(replicas=3, **SMALL)
    stage.go(web)
    stage.service(replicas=1, **SMALL)
    plan = stage.run(web, steps=1)
    assert held(stage, web)["containers"] == 3, plan.render()
    stage.go(web)
    assert held(stage, web) == of(1)


def test_smaller_limits_are_given_back_when_they_are_in_force() -> None:
    stage = Theatre()
    allowing(stage, memory="128Mi")
    web = stage.service(replicas=2, **SMALL)
    stage.go(web)
    stage.service(replicas=2, resources={"cpu": "100m", "memory": "32Mi"})
    said = stage.go(web)
    assert "no longer needs more" in "\n".join(said)
    assert held(stage, web)["memory"] == 64 * MI


def test_a_stopped_service_keeps_its_share() -> None:
    stage = Theatre()
    allowing(stage, containers=1)
    web = stage.service(**SMALL)
    stage.go(web)
    stage.service(state="stopped", **SMALL)
    stage.go(web)
    assert held(stage, web) == of(1)
    other = stage.service("other", **SMALL)
    stage.go(other)
    assert not stage.containers(other)
    stage.service(**SMALL)
    stage.go(web)
    assert stage.only(web).running


def test_what_was_never_counted_is_counted_without_being_asked() -> None:
    """Rows that an earlier release accepted."""
    from dataclasses import replace

    stage = Theatre()
    web = stage.service(replicas=2, **SMALL)
    stage.go(web)
    entry = stage.rows[web]
    stage.rows[web] = replace(entry, record=replace(entry.record, admission=None))
    allowing(stage, containers=1)
    assert stage.text(web) == (
        "Hold cpu 200m, memory 128Mi, services 1, containers 2 (was never counted)"
    )
    stage.go(web)
    assert (held(stage, web), len(stage.containers(web))) == (of(2), 2)


def test_grown_defaults_are_counted_without_being_asked() -> None:
    stage = Theatre()
    allowing(stage, memory="256Mi")
    web = stage.service()
    stage.go(web)
    quota = {"quota": {"memory": "256Mi"}, "defaults": {"resources": {"memory": "512Mi"}}}
    stage.declare("Organization", "", "acme", quota)
    stage.settle(stage.organization)
    stage.go(web)
    assert held(stage, web)["memory"] == 512 * MI
    assert usage(stage, "memory") == (512 * MI, 256 * MI)


def test_lifting_the_quota_lets_everybody_in() -> None:
    stage = Theatre()
    allowing(stage, services=0)
    web = stage.service(**SMALL)
    stage.go(web)
    assert not stage.containers(web)
    stage.declare("Organization", "", "acme", {})
    stage.settle(stage.organization)
    stage.go(web)
    assert stage.only(web).running
    assert held(stage, web) == of(1)


def test_an_outdated_request_waits_no_more() -> None:
    stage = Theatre()
    allowing(stage, containers=2)
    web, other = stage.service("web", replicas=5, **SMALL), stage.service("other", **SMALL)
    stage.go(web)
    stage.service("web", replicas=2, image="NOT VALID", **SMALL)
    stage.go(web)
    stage.go(other)
    allowing(stage, containers=5)
    assert held(stage, web) == {}
    assert stage.only(other).running


def test_paused_what_was_never_counted_is_counted() -> None:
    from dataclasses import replace

    stage = Theatre()
    web = stage.service(**SMALL)
    stage.go(web)
    entry = stage.rows[web]
    stage.rows[web] = replace(entry, record=replace(entry.record, admission=None))
    stage.annotate(web, paused="looking")
    assert [type(step).__name__ for step in stage.plan(web).steps] == ["Hold"]


def test_volumes_count_by_their_declared_size() -> None:
    stage = Theatre()
    allowing(stage, storage="10Gi", volumes=2)
    data = stage.volume("data", size="8Gi")
    assert stage.world.volumes_of(stage.rows[data].resource.uid)
    more = stage.volume("more", size="4Gi")
    status = stage.status(more)
    assert status["message"] == (
        'the quota of plan "Starter" does not allow it: '
        "storage: limit 10Gi, used 8Gi, requested 4Gi more"
    )
    assert status["error"]["details"]["pointer"] == "/spec/size"
    assert conditions(status)["Accepted"] == "False"
    assert not stage.world.volumes_of(stage.rows[more].resource.uid)
    stage.declare("Volume", "acme", "data", {"size": "11Gi"})
    stage.settle(data)
    status = stage.status(data)
    assert status["error"]["code"] == "RESOURCE_QUOTA_EXCEEDED"
    assert status["sizeBytes"] == 8 << 30
    stage.declare("Volume", "acme", "data", {"size": "1Gi"})
    stage.settle(data, stage.organization, more)
    assert stage.world.volumes_of(stage.rows[more].resource.uid)


def test_under_a_quota_of_storage_a_volume_has_a_size() -> None:
    stage = Theatre()
    allowing(stage, storage="10Gi")
    data = stage.volume("data")
    status = stage.status(data)
    assert (
        status["message"] == "organization acme has a quota of storage, so spec.size must be given"
    )
    assert not stage.world.volumes
