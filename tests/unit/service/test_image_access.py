"""Who may run an image that is on the engine, and who is told that it is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resources.image_access import EVERYBODY, Announced, Grant, ImageAccess, familiar
from resources.meta import Key
from resources.observed import Image
from resources.steps import CreateContainer, PullImage
from tests.unit.service.test_service_secrets import Scene, box

APP = "r.example/team/app:1"
IMAGE = Image("sha256:app", APP, (f"{APP[:-2]}@sha256:aa",), tags=(APP,))
OURS = Grant("acme", "registry")


def stage(*grants: Grant, **spec: object) -> tuple[Scene, Key]:
    """A service whose image is on the engine by these grants."""
    scene = Scene()
    scene.secret("registry", username=box("u"), password=box("p"))
    scene.world.put_image(IMAGE)
    access = ImageAccess({IMAGE.id: frozenset(grants)} if grants else {})
    scene.platform = replace(scene.platform, access=access)
    return scene, scene.service(image=APP, **spec)


def pulls(scene: Scene, web: Key) -> list[PullImage]:
    return [step for step in scene.plan(web).steps if isinstance(step, PullImage)]


def test_what_nothing_is_remembered_of_is_anybodys() -> None:
    scene, web = stage()
    assert not pulls(scene, web)
    assert scene.status(web)["image"]["id"] == IMAGE.id


def test_our_own_is_run_without_asking() -> None:
    scene, web = stage(OURS, imagePullSecret="registry")
    assert not pulls(scene, web)
    assert any(isinstance(step, CreateContainer) for step in scene.plan(web).steps)


def test_new_credentials_in_the_same_secret_ask_nobody() -> None:
    scene, web = stage(OURS, imagePullSecret="registry")
    scene.go(web)
    scene.secret("registry", username=box("u"), password=box("q"))
    scene.world.drop_container(scene.only(web).id)
    assert not pulls(scene, web)


@pytest.mark.parametrize("secret", [None, "registry"])
def test_anothers_is_as_good_as_absent(secret: str | None) -> None:
    told = {} if secret is None else {"imagePullSecret": secret}
    scene, web = stage(Grant("rival", "registry"), **told)
    (pull,) = pulls(scene, web)
    assert pull.cause.partition(";")[0] == "not on the engine"
    assert (pull.credentials is not None) == (secret is not None)
    shown = scene.status(web)
    assert shown["image"] == {"reference": APP, "id": None, "digest": None}
    assert IMAGE.id not in repr(shown)


def test_never_is_told_that_it_is_not_there() -> None:
    scene, web = stage(Grant("rival", "registry"), imagePullPolicy="Never")
    plan = scene.plan(web)
    assert not any(isinstance(step, CreateContainer) for step in plan.steps)
    assert plan.problem is not None
    assert plan.problem.code == "IMAGE_NOT_FOUND"


def test_within_an_organization_each_secret_is_asked_for_itself() -> None:
    scene, web = stage(OURS)
    (pull,) = pulls(scene, web)
    assert pull.cause == "on the engine by other credentials"
    assert scene.status(web)["image"]["id"] == IMAGE.id
    scene, web = stage(OURS, imagePullPolicy="Never")
    assert any(isinstance(step, CreateContainer) for step in scene.plan(web).steps)


def test_given_to_whoever_asked_it_is_everybodys() -> None:
    scene, web = stage(Grant("rival", "registry"), EVERYBODY)
    assert not pulls(scene, web)


def test_a_converged_service_stays_so_when_others_pull_its_image() -> None:
    scene, web = stage(OURS, imagePullSecret="registry")
    scene.go(web)
    before = scene.status(web)
    access = scene.platform.access.granted(IMAGE.id, Grant("rival", "x"))
    scene.platform = replace(scene.platform, access=access)
    assert scene.text(web) == ""
    assert scene.status(web) == before


# ---------------------------------------------------------------- announcements

PULL = Announced("r.example/team/app:1", "acme", "registry")


def test_what_an_announced_pull_brings_is_nobodys_yet() -> None:
    access = ImageAccess().announcing(PULL)
    assert access.restricted(IMAGE)
    assert not access.shown(IMAGE, "acme")
    assert not access.proven(IMAGE, "acme", "registry")
    by_digest = replace(IMAGE, reference=IMAGE.digests[0])
    assert not access.shown(by_digest, "rival")
    settled = access.granted(IMAGE.id, OURS).over(PULL)
    assert settled.proven(IMAGE, "acme", "registry")
    assert not settled.shown(IMAGE, "rival")


def test_what_was_anybodys_before_it_stays_so() -> None:
    access = ImageAccess().announcing(replace(PULL, before=IMAGE.id))
    assert not access.restricted(IMAGE)
    assert access.restricted(replace(IMAGE, id="sha256:newer"))


def test_announced_again_the_first_word_counts() -> None:
    access = ImageAccess().announcing(PULL).announcing(replace(PULL, before=IMAGE.id))
    assert access.announced == {PULL}
    assert access.over(replace(PULL, before="other")).announced == frozenset()


def test_an_image_elsewhere_is_not_concerned() -> None:
    access = ImageAccess().announcing(PULL)
    other = Image("sha256:other", "r.example/team/other:1", tags=("r.example/team/other:1",))
    assert not access.restricted(other)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("nginx", "nginx:latest"),
        ("docker.io/library/nginx:1", "nginx:1"),
        ("index.docker.io/acme/app:1", "acme/app:1"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest"),
        ("r.example/app:1@sha256:aa", "r.example/app@sha256:aa"),
        ("127.0.0.1:5000/app@sha256:aa", "127.0.0.1:5000/app@sha256:aa"),
    ],
)
def test_as_the_engine_says_it(declared: str, said: str) -> None:
    assert familiar(declared) == said
