"""Images of a service: which digest is told, and when the image policy is asked."""

from __future__ import annotations

from resources.context import Platform
from resources.observed import Image
from resources.steps import VerifyImage
from tests.property.apply import INSTANCE
from tests.unit.service.theatre import Theatre

OTHER, MINE = "mirror.example.com/nginx@sha256:aa", "nginx@sha256:bb"
ASKED = "VerifyImage nginx:1.26 (image policy)"


def test_the_digest_is_that_of_the_references_repository() -> None:
    stage = Theatre()
    web = stage.service()
    stage.go(web)
    container = stage.only(web)
    image = Image(container.image_id, "nginx:1.26", (OTHER, MINE))
    stage.world.put_image(image)
    assert stage.status(web)["image"]["digest"] == MINE
    stage.world.put_image(Image(container.image_id, "nginx:1.26", (OTHER,)))
    assert stage.status(web)["image"]["digest"] == OTHER
    stage.world.put_image(Image("sha256:moved", "nginx:1.26", (MINE,)))
    assert stage.status(web)["image"]["digest"] is None


def test_the_policy_is_asked_before_anything_is_made_or_removed() -> None:
    stage = Theatre(platform=Platform(INSTANCE, image_policy=True))
    web = stage.service(update={"order": "stopFirst"})
    said = "\n".join(stage.go(web)).splitlines()
    assert said.index(ASKED) < next(i for i, s in enumerate(said) if s.startswith("Create"))
    stage.service(image="nginx:1.27", update={"order": "stopFirst"})
    steps = [type(step).__name__ for step in stage.plan(web).steps]
    assert steps.index("PullImage") < steps.index("VerifyImage") < steps.index("StopContainer")
    stage.go(web)
    assert stage.plan(web).converged
    stage.world.drop_container(stage.only(web).id)
    assert any(isinstance(step, VerifyImage) for step in stage.plan(web).steps)


def test_without_a_policy_nobody_is_asked() -> None:
    stage = Theatre()
    assert "VerifyImage" not in "\n".join(stage.go(stage.service()))
