"""What a Service takes of its organization's quota, and what a rollout needs beside that.

``steady`` is what the declaration needs in the long run: every replica, stopped ones too, so that
starting never has to ask; no replicas, no claim. ``peak`` is the most that may be there at once
until then. startFirst keeps every old replica that it does not need to lose and makes
``parallelism`` new ones beside them; preDeploy is a container of its own; limits of old and new
replicas differ. Along a rollout the peak only falls, so what was granted at its beginning lasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.errors import UserError
from resources.observed import Container, Limits
from resources.quota import Claims, covers, union
from resources.service.moves import ALIVE
from resources.share import Need, asked, held, holding
from resources.store_steps import Claim, Hold

if TYPE_CHECKING:
    from resources.service.survey import Survey

POINTERS = {
    "cpu": "/spec/resources/cpu",
    "memory": "/spec/resources/memory",
    "containers": "/spec/replicas",
}


def steady(survey: Survey) -> Claims:
    return _of(survey, [survey.wanted.limits] * survey.spec.replicas)


def need(survey: Survey) -> Need:
    """Until everything is as declared."""
    own = steady(survey)
    most = _peak(survey)
    extra = most["containers"] - own["containers"]
    if extra <= 0:
        return Need(most, POINTERS)
    beside = "1 container" if extra == 1 else f"{extra} containers"
    suggestions = []
    if survey.spec.start_first:
        suggestions = ["set update.order to stopFirst, which replaces without any beside"]
        if survey.spec.update.parallelism > 1:
            suggestions.append("lower update.parallelism")
    return Need(
        most,
        dict.fromkeys(POINTERS, "/spec/update"),
        f" (its rollout needs {beside} beside the {own['containers']} of its replicas)",
        suggestions,
    )


def newly(survey: Survey) -> Claim | UserError | None:
    """Before a generation is accepted."""
    return asked(survey.context, need(survey), f"generation {survey.generation}")


def affordable(survey: Survey) -> Claim | UserError | None:
    """Before a container is made for what was accepted already: a restart rolls out as well. What
    every replica needs is counted in any case (``counted``)."""
    needed = need(survey)
    if covers(_sure(survey), needed.claims):
        return None
    answer = asked(survey.context, needed, f"rollout of generation {survey.generation}")
    if answer is not None and survey.declaration.earlier:
        return survey.declaration.problem  # it asks, and asks one thing at a time
    return answer


def counted(survey: Survey) -> tuple[Hold, ...]:
    """What is in force, as the record should have it."""
    if survey.declaration.problem is None and not _accepted(survey):
        return ()
    return holding(survey.context, steady(survey), settled=_settled(survey))


def _accepted(survey: Survey) -> bool:
    """What is in force may also be of a generation before the one accepted last."""
    accepted = survey.context.entry.record.accepted_generation
    return accepted is not None and survey.generation <= accepted


def _sure(survey: Survey) -> Claims:
    return union(held(survey.context), steady(survey)) if _accepted(survey) else {}


def _settled(survey: Survey) -> bool:
    """Nothing is left of what was before, in number or in size."""
    fleet = survey.fleet
    return (
        not (fleet.old or fleet.surplus or fleet.one_offs or fleet.leaving)
        and len(fleet.current) <= survey.spec.replicas
        and all(_sized(survey, container) for container in fleet.current.values())
    )


def _sized(survey: Survey, container: Container) -> bool:
    found, wanted = container.limits, survey.wanted.limits
    return found is None or (found.nano_cpus <= wanted.nano_cpus and found.memory <= wanted.memory)


def _peak(survey: Survey) -> dict[str, int]:
    """The most of: as it begins, every old one that stays, all missing ones and those beside; as it
    ends, every new one and the last old ones."""
    replicas, new = survey.spec.replicas, survey.wanted.limits
    sizes = [c.limits or new for c in survey.fleet.old if c.state in ALIVE]
    kept = sorted(sizes, key=lambda s: (s.memory, s.nano_cpus), reverse=True)[:replicas]
    if not kept or survey.stop_reason:
        return dict(steady(survey))
    beside = min(survey.spec.update.parallelism, len(kept)) if survey.spec.start_first else 0
    if survey.spec.pre_deploy is not None:
        beside = max(beside, 1)
    begin = _of(survey, [*kept, *[new] * (replicas - len(kept) + beside)])
    end = _of(survey, [new] * replicas + kept[:beside])
    return union(begin, end)


def _of(survey: Survey, sizes: list[Limits]) -> dict[str, int]:
    return {
        "cpu": sum(size.nano_cpus for size in sizes),
        "memory": sum(size.memory for size in sizes),
        "services": 1,
        "containers": len(sizes),
    }
