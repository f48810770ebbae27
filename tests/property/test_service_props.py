"""Whatever happens to a service and in whatever order: it ends as declared, and on the way there
are never too many containers nor, with startFirst, too few that serve."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.property.apply_service import ACTIONS, FOREIGN, Trial

action = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9))


@given(st.lists(action, max_size=40), st.integers(0, 1000))
def test_it_ends_as_declared(actions: list[tuple[str, int]], seed: int) -> None:
    trial = Trial(seed)
    for name, number in actions:
        getattr(trial, name)(number)
    trial.calm()
    for _ in range(80):
        plan = trial.checked(None)
        trial.status(trial.web)
        if plan.converged:
            break
        if not plan.steps:
            assert plan.wait is not None, plan.render()
            assert plan.wait.seconds is not None, plan.render()
            trial.wait(plan.wait.seconds)
    else:
        raise AssertionError(f"it never ends: {plan.render()}")
    found = trial.containers(trial.web)
    wanted = trial.spec.get("replicas", 1)
    assert [c.labels["io.skypanel.ordinal"] for c in found] == [str(n) for n in range(wanted)]
    assert all(c.running and c.image == trial.spec.get("image", "nginx:1.26") for c in found)
    assert FOREIGN in trial.world.containers
    status = trial.status(trial.web)
    trial.wait(1000)
    assert trial.status(trial.web) == status
    assert status["phase"] == ("Running" if wanted else "Stopped")
    trial.delete(trial.web)
    while trial.web in trial.rows:
        assert trial.run(trial.web).steps
    assert [c for c in trial.world.containers.values() if c.labels] == []
