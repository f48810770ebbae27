"""Never over quota, whoever is looked at when, and however far a pass gets before it dies.

Passes of several services are carried out step by step, interleaved: each plan was made before some
steps of the others were done. After every step, what is there fits the limits, and so do the
claims, which in turn cover what is there. At the end nobody waits who would fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from resources.meta import Key
from resources.plan import Plan
from resources.quota import Asking, settle, total
from resources.share import in_force
from resources.steps import Step
from resources.store_steps import Accept
from tests.property.apply import Refused
from tests.unit.service.theatre import Theatre

LIMITS = {"containers": 6, "cpu": 600_000_000}
NAMES = ("a", "b", "c", "d")
STOPPED = ("exited", "dead")


class Crowd(Theatre):
    """Several services in one organization with a quota."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.passes: dict[Key, list[Step]] = {}
        self.written_as: dict[tuple[str, int], Any] = {}
        super().__init__({"quota": {"containers": 6, "cpu": "600m"}})

    def write(self, name: str, **spec: Any) -> None:
        entry = self.rows.get(self.keys.get(name, self.organization))
        if entry is not None and entry.resource.deleting:
            return
        cpu = spec.pop("cpu")
        key = self.keys[name] = self.service(name, resources={"cpu": f"{cpu}m"}, **spec)
        resource = self.rows[key].resource
        self.written_as[resource.uid, resource.generation] = resource.spec

    def apply(self, key: Key, step: Step) -> None:
        super().apply(key, step)
        if isinstance(step, Accept):
            entry = self.rows[key]
            spec = self.written_as.get((entry.resource.uid, step.generation), entry.resource.spec)
            record = replace(entry.record, accepted_spec=spec)
            self.rows[key] = replace(entry, record=record)

    def remove(self, name: str) -> None:
        if (key := self.keys.get(name)) in self.rows and key is not None:
            self.delete(key)
            if key not in self.rows:
                self.passes.pop(key, None)

    def begin(self, key: Key) -> None:
        """A pass that was under way is given up: its controller died."""
        if key in self.rows:
            self.passes[key] = list(self.plan(key).steps)

    def advance(self, key: Key) -> None:
        steps = self.passes.get(key)
        if not steps or key not in self.rows:
            return
        try:
            self.apply(key, steps.pop(0))
        except Refused:
            self.passes[key] = []
        if key not in self.rows:
            self.passes.pop(key, None)
        self.check()

    def finish(self) -> None:
        for key in list(self.passes):
            while self.passes.get(key):
                self.advance(key)
        for _ in range(40):
            said: list[Plan] = []
            for key in list(self.rows):
                plan = self.pass_(key)
                self.check()
                if plan.steps:
                    said.append(plan)
            if not said:
                if not any(p.wait and p.wait.seconds for p in map(self.plan, list(self.rows))):
                    return
                self.wait(60)
        raise AssertionError("it does not settle: " + "\n".join(p.render() for p in said))

    def check(self) -> None:
        there = [c for c in self.world.containers.values() if c.state not in STOPPED]
        cpu = sum(c.limits.nano_cpus for c in there if c.limits is not None)
        assert len(there) <= LIMITS["containers"], [c.name for c in there]
        assert cpu <= LIMITS["cpu"], [(c.name, c.limits) for c in there]
        claimed = total(a.claims for a in self.admissions("acme").values())
        assert claimed["containers"] <= LIMITS["containers"], claimed
        assert claimed["cpu"] <= LIMITS["cpu"], claimed
        assert len(there) <= claimed["containers"]
        assert cpu <= claimed["cpu"]

    def nobody_waits_who_fits(self) -> None:
        admissions = self.admissions("acme")
        asking = [Asking(u, a.claims, a.waiting) for u, a in admissions.items() if a.waiting]
        used = total(a.claims for a in admissions.values())
        assert all(settle(LIMITS, used, asking).values())
        event(f"{len(asking)} wait at the end")
        for entry in self.rows.values():
            spec, found = entry.resource.spec, in_force(entry)
            if found is not None and found.waiting is None and spec.get("state") == "running":
                assert found.claims["containers"] == spec["replicas"]


names = st.sampled_from(NAMES)
writes = st.tuples(
    st.just("write"),
    names,
    st.fixed_dictionaries(
        {
            "replicas": st.integers(0, 4),
            "cpu": st.sampled_from([50, 100, 200]),
            "image": st.sampled_from(["nginx:1", "nginx:2"]),
            "update": st.fixed_dictionaries(
                {
                    "order": st.sampled_from(["startFirst", "stopFirst"]),
                    "parallelism": st.integers(1, 3),
                }
            ),
            "state": st.sampled_from(["running", "running", "stopped"]),
        }
    ),
)
actions = st.lists(
    st.one_of(
        writes,
        st.tuples(st.just("remove"), names, st.none()),
        st.tuples(st.just("restart"), names, st.integers(0, 9)),
        st.tuples(st.just("begin"), st.sampled_from([*NAMES, ""]), st.none()),
        st.tuples(st.just("advance"), st.sampled_from([*NAMES, ""]), st.integers(1, 6)),
    ),
    min_size=20,
    max_size=80,
)


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes many minutes
@given(actions)
def test_never_over_quota(script: list[tuple[str, str, Any]]) -> None:
    crowd = Crowd()
    for verb, name, more in script:
        key = crowd.keys.get(name) if name else crowd.organization
        if verb == "write":
            crowd.write(name, **more)
        elif verb == "remove":
            crowd.remove(name)
        elif key is None or key not in crowd.rows:
            continue
        elif verb == "restart":
            crowd.annotate(key, restartedAt=str(more))
        elif verb == "begin":
            crowd.begin(key)
        else:
            for _ in range(more):
                crowd.advance(key)
    crowd.finish()
    crowd.nobody_waits_who_fits()
