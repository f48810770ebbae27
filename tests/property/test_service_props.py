"""Whatever happens to a service and in whatever order: it ends as declared, and on the way there
are never too many containers nor, with startFirst, too few that serve."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resources.service.survey import Survey, survey
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


def _as_declared(trial: Trial) -> None:
    _ends(trial)
    found = trial.containers(trial.web)
    wanted = trial.spec.get("replicas", 1)
    ordinals = sorted(c.labels["io.skypanel.ordinal"] for c in found)
    assert ordinals == [str(n) for n in range(wanted)]
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
