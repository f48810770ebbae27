"""What changes without a new container, and who goes when there are too many."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.service.rollback_stage import BAD, SHORT, failing, word
from tests.unit.service.rollout_stage import CHECK, new, running


def test_scaling_down_removes_what_does_not_serve_first_and_then_the_newest() -> None:
    stage, web = running(replicas=4, healthCheck=CHECK)
    first, second, third, fourth = stage.containers(web)
    stage.change(first, health="unhealthy")
    later = stage.now + timedelta(seconds=1)
    stage.change(third, created_at=later)
    stage.service(replicas=2, healthCheck=CHECK)
    stage.optimistic = True
    stage.go(web)
    assert [c.id for c in stage.containers(web)] == [second.id, fourth.id]
    assert stage.plan(web).converged
    assert word(stage.status(web), "Ready") == "True"
    stage.service(replicas=3, healthCheck=CHECK)
    assert "CreateContainer acme_web_0_" in stage.text(web)
    stage.go(web)
    assert [c.labels["io.skypanel.ordinal"] for c in stage.containers(web)] == ["0", "1", "3"]
    assert stage.plan(web).converged


def test_a_replica_beyond_the_declared_ordinals_is_healed_under_its_name() -> None:
    stage, web = running(replicas=2, healthCheck=CHECK)
    first, second = stage.containers(web)
    stage.change(first, health="unhealthy")
    stage.service(replicas=1, healthCheck=CHECK)
    stage.go(web)
    stage.change(stage.only(web), image="evil:1")
    assert f"CreateContainer {second.name}" in stage.text(web)


def test_limits_and_restart_policy_change_in_place() -> None:
    stage, web = running(healthCheck=CHECK)
    before = stage.only(web)
    changed = {"resources": {"memory": "512Mi"}, "restart": {"policy": "onFailure"}}
    stage.service(healthCheck=CHECK, **changed)
    assert stage.pass_(web).render().splitlines()[2:] == [
        f"UpdateContainer {before.name} "
        "(memory changed: 256Mi -> 512Mi; restart changed: always -> onFailure)",
        "EndRollout generation 2 ready (1 of 1 ready)",
    ]
    stage.go(web)
    assert stage.only(web).id == before.id
    status = stage.status(web)
    assert word(status, "Ready") == "True"
    assert status["observedGeneration"] == 2
    assert stage.plan(web).converged


def test_in_place_in_the_middle_of_a_rollout() -> None:
    """The new ones get them in place; the old ones are about to go."""
    stage, web = failing(replicas=2)
    base = {"healthCheck": CHECK, "update": SHORT, "replicas": 2, "image": BAD}
    (fresh,) = new(stage, web)
    stage.service(**base, resources={"memory": "512Mi"})
    text = stage.pass_(web).render()
    assert f"UpdateContainer {fresh.name} (memory changed: 256Mi -> 512Mi)" in text
    assert "CreateContainer" not in text
    stage.change(stage.world.containers[fresh.id], health="healthy")
    stage.optimistic = True
    stage.go(web)
    assert fresh.id in {c.id for c in stage.containers(web)}
    assert {c.limits.memory for c in stage.containers(web) if c.limits} == {512 * 1024 * 1024}
