"""Where a service stands, in one word and in one sentence, from what was observed."""

from __future__ import annotations

from dataclasses import dataclass

from resources.errors import UserError
from resources.observed import Container
from resources.plan import Plan
from resources.service import problems
from resources.service.endings import crash_looping, ending, restarted
from resources.service.health import UNHEALTHY, UNKNOWN
from resources.service.moves import ALIVE
from resources.service.progress import trouble
from resources.service.stuck import stuck
from resources.service.survey import FAILED, READY, Survey, paused
from resources.steps import PullImage

STATES = {"Running": "running", "Updating": "running", "Degraded": "running", "Failed": "error"}
"""The panel's word; every other phase is ``stopped``."""


@dataclass(frozen=True)
class ServiceStanding:
    """serving: replicas of any revision that serve. ready: of the wanted revision. unknown: run,
    but nothing is known of their health yet. ended: ended as their restart policy wants.
    problem: what to show as the error."""

    survey: Survey
    plan: Plan
    failure: UserError | None
    serving: tuple[Container, ...]
    ready: tuple[Container, ...]
    unknown: tuple[Container, ...]
    ended: tuple[Container, ...]
    problem: UserError | None

    @property
    def replicas(self) -> int:
        return self.survey.spec.replicas

    @property
    def stopped(self) -> bool:
        return bool(self.survey.stop_reason) or self.replicas == 0

    @property
    def alive(self) -> bool:
        return any(c.state in ALIVE for c in self.survey.fleet.replicas)

    @property
    def completed(self) -> bool:
        """Every replica ended, and well."""
        return self.replicas > 0 and len(self.ended) == self.replicas

    @property
    def fulfilled(self) -> bool:
        """The wanted revision, the whole of it. (What somebody put beside it is drift.)"""
        done = {container.id for container in (*self.ready, *self.ended)}
        return self.survey.rollout == READY and len(done) == self.replicas

    @property
    def stalled(self) -> bool:
        """Does it need somebody to change something? (See ``stuck``.)"""
        problem = self.failure or self.plan.problem
        return (problem is not None and not problem.retryable) or stuck(self.survey, self.problem)

    @property
    def left_alone(self) -> bool:
        """Nobody is going to do anything about what was done by hand."""
        return (
            self.survey.rollout == READY
            and not self.plan.steps
            and (paused(self.survey.context) is not None or bool(self.plan.standing))
        )


def stand(survey: Survey, plan: Plan, failure: UserError | None) -> ServiceStanding:
    fleet = survey.fleet
    current = tuple(fleet.current.values())
    if survey.steady:
        return ServiceStanding(
            survey, plan, failure, current, current, (), (), failure or plan.problem
        )
    serving = tuple(c for c in (*current, *fleet.old) if survey.serves(c))
    return ServiceStanding(
        survey=survey,
        plan=plan,
        failure=failure,
        serving=serving,
        ready=tuple(c for c in current if survey.serves(c)),
        unknown=tuple(c for c in current if c.running and survey.health(c).word == UNKNOWN),
        ended=tuple(c for c in current if survey.finished(c) and c.exit_code in (0, None)),
        problem=failure or plan.problem or _symptom(survey, plan),
    )


def _symptom(survey: Survey, plan: Plan) -> UserError | None:
    """What a replica suffers from although nothing is wrong with the plan."""
    if survey.stop_reason:
        return None
    for container in survey.fleet.current.values():
        context = survey.context
        if crash_looping(context, container):
            times = restarted(context, container)
            return problems.crash_loop(container.name, times, ending(context, container))
        if (problem := _detached(survey, plan, container)) is not None:
            return problem
        condition = survey.health(container)
        if container.running and condition.word == UNHEALTHY:
            return problems.unhealthy(container.name, condition.message)
        if survey.finished(container) and container.exit_code not in (0, None):
            return problems.failed_run(container.name, container.exit_code)
    return None


def _detached(survey: Survey, plan: Plan, container: Container) -> UserError | None:
    """While that is being put right it is no problem."""
    network = survey.network
    if plan.steps or network is None or not container.running or survey.attached(container):
        return None
    return problems.detached(container.name, network.name)


def phase(standing: ServiceStanding) -> str:
    survey = standing.survey
    if survey.stop_reason:
        idle = "Suspended" if survey.wanted.tenancy.suspended else "Stopped"
        return "Stopping" if standing.alive else idle
    if standing.replicas == 0:
        return "Stopping" if standing.alive else "Stopped"
    if standing.completed:
        return "Stopped"
    if standing.serving:
        return _serving(standing)
    if _failed(standing) or standing.left_alone:
        return "Failed"
    if any(isinstance(step, PullImage) for step in standing.plan.steps):
        return "Pulling"
    if survey.fleet.current or standing.plan.steps:
        return "Starting"
    return "Pending"


def _serving(standing: ServiceStanding) -> str:
    survey = standing.survey
    if survey.fleet.old and survey.rollout != READY:
        return "Degraded" if survey.rollout == FAILED or standing.stalled else "Updating"
    if survey.setback is not None:
        return "Degraded"
    if len(standing.ready) == standing.replicas:
        return "Running"
    return "Degraded" if survey.rollout in (READY, FAILED) or standing.stalled else "Starting"


def _failed(standing: ServiceStanding) -> bool:
    """Nothing serves, and what is wrong does not pass by itself (or keeps coming back)."""
    problem = standing.problem
    if problem is None:
        return False
    return not problem.retryable or problem.code.startswith(("IMAGE_", "DEPLOYMENT_"))


def message(standing: ServiceStanding, word: str) -> str:
    """One sentence for the customer."""
    why = paused(standing.survey.context)
    return _sentence(standing, word) + (f"; paused: {why}" if why is not None else "")


def _sentence(standing: ServiceStanding, word: str) -> str:
    if standing.problem is not None:
        return standing.problem.message
    survey = standing.survey
    ready, wanted = len(standing.ready), standing.replicas
    if word in ("Stopped", "Suspended", "Stopping"):
        return _stopped(standing, word)
    awaited = standing.plan.wait if paused(survey.context) is None else None
    wait = f"; waiting for {awaited.reason}" if awaited else ""
    match word:
        case "Running":
            return f"{ready} of {wanted} replicas are ready" if wanted > 1 else "it is running"
        case "Updating":
            return f"{ready} of {wanted} replicas run the new revision{wait}"
        case "Degraded" | "Starting" | "Failed":
            who = next((c for c in survey.fleet.current.values() if not survey.proven(c)), None)
            doing = f"; {who.name} {trouble(survey, who)}" if who else wait
            return f"{ready} of {wanted} replicas are ready{doing}"
        case "Pulling":
            return f"the image {survey.spec.image} is being pulled"
    return f"waiting for {awaited.reason}" if awaited else "about to start"


def _stopped(standing: ServiceStanding, word: str) -> str:
    reason = standing.survey.stop_reason
    if word == "Stopping":
        return f"its containers are being stopped: {reason or 'it has no replicas'}"
    if word == "Suspended":
        return "stopped, because the organization is suspended"
    if reason:
        return "stopped, as declared"
    return "it ran to completion" if standing.completed else "it has no replicas"
