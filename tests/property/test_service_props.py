"""Whatever happens to a service and in whatever order: it ends as declared, and on the way there
are never too many containers nor, with startFirst, too few that serve."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resources.service.survey import RETURNED, Survey, survey
from tests.property.apply_service import ACTIONS, DISTURBANCES, FOREIGN, Trial

action = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9))
disturbance = st.tuples(st.sampled_from(DISTURBANCES), st.integers(0, 9))


@given(st.lists(action, max_size=40), st.lists(disturbance, max_size=10), st.integers(0, 1000))
def test_it_ends_as_declared(
    actions: list[tuple[str, int]], disturbances: list[tuple[str, int]], seed: int
) -> None:
    trial = Trial(seed)
    for name, number in actions:
        getattr(trial, name)(number)
    trial.settles_down()
    trial.works()
    _as_declared(trial)
    for name, number in disturbances:
        getattr(trial, name)(number)
    trial.works()
    _as_declared(trial)
    trial.delete(trial.web)
    while trial.web in trial.rows:
        assert trial.run(trial.web).steps
    assert [c for c in trial.world.containers.values() if c.labels] == []


@given(st.lists(action, max_size=40), st.integers(0, 1000))
def test_without_help_it_comes_to_rest(actions: list[tuple[str, int]], seed: int) -> None:
    """Nobody declares anything better: what was rolled back runs in full, and nothing beside."""
    trial = Trial(seed)
    for name, number in actions:
        getattr(trial, name)(number)
    trial.works()
    for _ in range(80):
        plan = trial.checked(None)
        if trial.web not in trial.rows:
            return
        trial.status(trial.web)
        if not plan.steps:
            if plan.wait is None or plan.wait.seconds is None:
                break
            trial.wait(plan.wait.seconds)
    assert not plan.steps
    found = survey(trial.context(trial.web))
    if isinstance(found, Survey) and found.setback is not None and not found.stop_reason:
        _rolled_back(trial, found)


def _rolled_back(trial: Trial, found: Survey) -> None:
    assert found.rollout == RETURNED or trial.plan(trial.web).problem is not None
    status = trial.status(trial.web)
    if found.rollout != RETURNED or status["phase"] != "Degraded":
        return
    containers = trial.containers(trial.web)
    mine = [c for c in containers if "io.skypanel.role" not in c.labels]
    assert len(mine) == found.spec.replicas
    assert all(found.is_current(c) and c.running for c in mine)
    assert status["rollout"]["state"] == "rolledBack"
    assert status["readyReplicas"] == found.spec.replicas


def _as_declared(trial: Trial) -> None:
    _ends(trial)
    found = trial.containers(trial.web)
    wanted = trial.spec.get("replicas", 1)
    assert len({c.labels["io.skypanel.ordinal"] for c in found}) == len(found) == wanted
    assert all(c.running and c.image == trial.spec.get("image", "nginx:1.26") for c in found)
    standing = survey(trial.context(trial.web))
    assert isinstance(standing, Survey)
    assert standing.steady, [standing.differences(n) for n in standing.fleet.current]
    assert FOREIGN in trial.world.containers
    status = trial.status(trial.web)
    trial.wait(1000)
    assert trial.status(trial.web) == status
    assert status["phase"] == ("Running" if wanted else "Stopped")


def _ends(trial: Trial) -> None:
    """Plans, until one is empty; time passes when that is all that is waited for."""
    plan = trial.plan(trial.web)
    for _ in range(80):
        plan = trial.checked(None)
        trial.status(trial.web)
        if plan.converged:
            return
        if not plan.steps:
            assert plan.wait is not None, plan.render()
            assert plan.wait.seconds is not None, plan.render()
            trial.wait(plan.wait.seconds)
    raise AssertionError(f"it never ends: {plan.render()}")
