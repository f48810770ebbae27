"""Making containers: only when everything that they need is there, and their name is free.

Whether anything stands in the way is found out when the first container is needed, once per plan;
what stands in the way is then the plan's wait or problem, and nothing is removed for the sake of
a container that could not be made.
"""

from __future__ import annotations

from resources.observed import Container, Image
from resources.plan import Wait
from resources.service import moves, obstacles, problems, quota
from resources.service.cutover import Cutover
from resources.service.draft import Draft
from resources.service.drift import short_digest
from resources.service.survey import FAILED, NEW, OPEN, Survey
from resources.service.tags import pull
from resources.steps import VerifyImage
from resources.store_steps import Claim

_NEW = frozenset({NEW, OPEN, FAILED})
"""Rollouts of something that has not been Ready yet."""


class Creation:
    """lost: a volume's data is gone. removed: ids that an earlier step of this plan removes."""

    def __init__(self, survey: Survey, draft: Draft, cutover: Cutover, *, lost: bool) -> None:
        self._survey = survey
        self._draft = draft
        self._cutover = cutover
        self._lost = lost
        self._removed: set[str] = set()
        self._possible: bool | None = None
        self._clear: bool | None = None

    def possible(self) -> bool:
        """Asked when a container is needed: pulls the image, if that is what is missing."""
        if self._possible is None:
            self._possible = self.unhindered() and self._image()
        return self._possible

    def unhindered(self) -> bool:
        """But for the image, perhaps."""
        if self._clear is None:
            self._clear = not self._lost and self._unhindered()
        return self._clear

    @property
    def removed(self) -> frozenset[str]:
        """Ids of what this plan removes."""
        return frozenset(self._removed)

    def retire(self, container: Container, cause: str, drift: str = "") -> bool:
        """Stop and remove, at most once. False: not yet, requests may still come to it."""
        if container.id in self._removed:
            return True
        if not self._cutover.lets_go(container, serves=self._survey.drains(container)):
            return False
        self._removed.add(container.id)
        grace = self._survey.wanted.grace
        self._draft.add(*moves.retire(container, grace, cause, drift))
        return True

    def make(
        self, ordinal: int, cause: str, drift: str = "", victim: Container | None = None
    ) -> None:
        """The replica, after its victim has gone; or a problem, when its name is taken."""
        if not self._free(self._survey.wanted.name(ordinal), victim, drift):
            return
        if victim is not None and not self.retire(victim, cause, drift):
            return
        self._draft.add(*moves.make(self._survey.replica(ordinal), cause, drift))

    def make_one_off(self) -> bool:
        """The preDeploy container; False when its name is taken."""
        if not self._free(self._survey.wanted.one_off_name, None, ""):
            return False
        self._draft.add(*moves.make(self._survey.one_off(), "preDeploy"))
        return True

    def _free(self, name: str, victim: Container | None, drift: str) -> bool:
        """Can a container of that name be made? What is ours and in the way goes first."""
        occupant = self._survey.context.world.container_named(name)
        if occupant is None or occupant is victim or occupant.id in self._removed:
            return True
        if not self._survey.context.ours(occupant.labels):
            self._draft.complain(problems.name_taken(name, occupant))
            if drift:
                self._draft.note(drift, f"{name}: a container that is not ours has the name")
            return False
        if occupant.state == "removing":
            self._draft.wait(f"{name} to be removed by the engine", 1.0)
            return False
        return self.retire(occupant, f"in the way of {name}", drift)

    def _unhindered(self) -> bool:
        survey = self._survey
        back = survey.setback is not None
        hindrance = obstacles.hindrance(survey.context, survey.wanted, survey.network, back=back)
        if hindrance is not None:
            self._draft.hinder(hindrance)
        return hindrance is None and self._affordable()

    def _affordable(self) -> bool:
        """Nothing is made that the organization's quota was not asked for."""
        answer = quota.affordable(self._survey)
        if isinstance(answer, Claim):
            self._draft.add(answer)
            self._draft.hinder(Wait("its share of the organization's quota"))
        elif answer is not None:
            self._draft.complain(answer)
        return answer is None

    def _image(self) -> bool:
        survey = self._survey
        reference, policy = survey.spec.image, survey.spec.image_pull_policy
        image = survey.image
        if image is None and policy == "Never":
            self._draft.complain(problems.image_missing(reference))
            return False
        if cause := self._due(image):
            self._draft.add(pull(survey, cause))
        if survey.context.platform.image_policy:
            self._draft.add(
                VerifyImage(
                    reference=reference,
                    organization=survey.wanted.key.organization,
                    service=survey.wanted.key.name,
                    cause="image policy",
                )
            )
        if image is None and survey.wanted.tenancy.profile == "restricted":
            return survey.spec.user is not None
        problem = obstacles.root_image(survey.context, survey.wanted)
        self._draft.complain(problem)
        return problem is None

    def _due(self, image: Image | None) -> str:
        """Why its registry is to be asked, '' when it need not be."""
        survey, policy = self._survey, self._survey.spec.image_pull_policy
        if image is None:
            return "not on the engine"
        if policy == "Always" and survey.rollout in _NEW and not survey.fleet.current:
            return "" if survey.fleet.one_offs else "imagePullPolicy is Always"
        if policy == "Never" or survey.context.platform.access.proven(
            image, survey.wanted.key.organization, survey.spec.image_pull_secret
        ):
            return ""
        return "on the engine by other credentials"

    def renew(self) -> None:
        """The image, when its tag means another by now; who runs the old one follows then."""
        digest = short_digest(self._survey.overtaken)
        if self._survey.overtaken and self.unhindered():
            self._draft.add(pull(self._survey, f"its tag means {digest} by now", "image"))
