"""What a service takes from Secrets: sealed in every plan, rolled when changed, refused when not
there; and what is missing later leaves the old containers where they are."""

from __future__ import annotations

from typing import Any

import pytest

from controller.reconcile.news import told
from resources.context import Platform
from resources.meta import Key
from resources.sealed import Sealed
from resources.service.secrets import credentials
from resources.steps import CreateContainer, PutFiles
from tests.property.apply import INSTANCE
from tests.unit.service.theatre import Theatre

KEY_ID = "0123456789abcdef"
ENVIRONMENT = {"environment": {"MODE": "fast", "PASSWORD": {"secret": "db", "key": "PASSWORD"}}}
FILE = {"files": [{"path": "/run/token", "secret": "db", "key": "TOKEN", "mode": "0400"}]}


def box(text: str, key: str = KEY_ID) -> str:
    return f"v1:{key}:{text * 64}"


class Scene(Theatre):
    def __init__(self, **more: Any) -> None:
        platform = Platform(INSTANCE, sealing_keys=frozenset({KEY_ID}))
        super().__init__(platform=platform, **more)

    def secret(self, name: str = "db", /, **values: str) -> Key:
        key = self.declare("Secret", "acme", name, {"sealedData": values})
        self.settle(key)
        return key


def created(scene: Scene, key: Key) -> CreateContainer:
    return next(step for step in scene.plan(key).steps if isinstance(step, CreateContainer))


def test_a_container_is_planned_with_sealed_values() -> None:
    scene = Scene()
    scene.secret(PASSWORD=box("a"), TOKEN=box("b"))
    web = scene.service(**ENVIRONMENT, **FILE)
    step = created(scene, web)
    assert step.spec.environment == {"MODE": "fast"}
    assert step.spec.sealed == {"PASSWORD": Sealed("acme", "db", "PASSWORD", box("a"))}
    put = next(step for step in scene.plan(web).steps if isinstance(step, PutFiles))
    (file,) = put.files
    assert (file.content, file.mode) == ("", 0o400)
    assert file.sealed == Sealed("acme", "db", "TOKEN", box("b"))
    assert box("a") not in repr(scene.plan(web))


def test_a_changed_value_rolls_its_users_and_no_others() -> None:
    scene = Scene()
    scene.secret(PASSWORD=box("a"), TOKEN=box("b"))
    web, api = scene.service("web", **ENVIRONMENT), scene.service("api", **FILE)
    scene.go(web), scene.go(api)
    scene.secret(PASSWORD=box("c"), TOKEN=box("b"))
    assert "what it refers to has changed" in scene.text(web)
    assert "what the service refers to has changed" in "\n".join(scene.go(web))
    assert scene.text(api) == ""
    assert scene.text(web) == ""
    assert len(scene.containers(web)) == 1


def test_a_key_that_nobody_uses_may_change() -> None:
    scene = Scene()
    scene.secret(PASSWORD=box("a"))
    web = scene.service(**ENVIRONMENT)
    scene.go(web)
    scene.secret(PASSWORD=box("a"), MORE=box("x"))
    assert scene.text(web) == ""


MISSING = {
    "secret": (
        {"environment": {"A": {"secret": "dv", "key": "PASSWORD"}}},
        "SECRET_NOT_FOUND",
        "/spec/environment/A/secret",
        "spec.environment.A.secret: there is no Secret dv in organization acme",
    ),
    "key": (
        {"environment": {"A": {"secret": "db", "key": "PASWORD"}}},
        "SECRET_KEY_NOT_FOUND",
        "/spec/environment/A/key",
        "spec.environment.A.key: Secret db has no key PASWORD: did you mean PASSWORD?",
    ),
    "far key": (
        {"environment": {"A": {"secret": "db", "key": "X"}}},
        "SECRET_KEY_NOT_FOUND",
        "/spec/environment/A/key",
        "spec.environment.A.key: Secret db has no key X; it has PASSWORD",
    ),
    "file": (
        FILE,
        "SECRET_KEY_NOT_FOUND",
        "/spec/files/0/key",
        "spec.files[0].key: Secret db has no key TOKEN; it has PASSWORD",
    ),
    "pull secret": (
        {"imagePullSecret": "registry"},
        "SECRET_NOT_FOUND",
        "/spec/imagePullSecret",
        "spec.imagePullSecret: there is no Secret registry in organization acme",
    ),
    "pull secret's keys": (
        {"imagePullSecret": "db"},
        "SECRET_KEY_NOT_FOUND",
        "/spec/imagePullSecret",
        "spec.imagePullSecret: Secret db has no key username; it has PASSWORD",
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_not_there_is_refused_with_its_place(name: str) -> None:
    spec, code, pointer, message = MISSING[name]
    scene = Scene()
    scene.secret(PASSWORD=box("a"))
    plan = scene.plan(scene.service(**spec))
    assert not plan.steps
    assert plan.problem is not None
    assert (plan.problem.code, plan.problem.message) == (code, message)
    assert plan.problem.details["pointer"] == pointer
    assert plan.problem.suggestions


def test_a_secret_that_was_not_looked_at_yet_is_waited_for() -> None:
    scene = Scene()
    db = scene.declare("Secret", "acme", "db", {"sealedData": {"PASSWORD": box("a")}})
    web = scene.service(**ENVIRONMENT)
    problem = scene.plan(web).problem
    assert problem is not None
    assert (problem.code, problem.retryable) == ("SECRET_NOT_READY", True)
    assert told(web, scene.context(web), scene.plan(web), (), None) == []
    status = scene.status(web)
    assert status["phase"] == "Pending"
    assert status["message"].endswith(
        "Secret db has no value in force yet; that is about to change"
    )
    scene.settle(db)
    assert created(scene, web)


def test_a_secret_that_is_refused_says_why() -> None:
    scene = Scene()
    db = scene.declare("Secret", "acme", "db", {"sealedData": {"PASSWORD": "plain"}})
    scene.status(db)
    problem = scene.plan(scene.service(**ENVIRONMENT)).problem
    assert problem is not None
    assert (problem.code, problem.retryable) == ("SECRET_NOT_READY", False)
    assert "is not a sealed value" in problem.message


def test_sealed_for_a_key_that_is_not_here() -> None:
    scene = Scene()
    scene.secret(PASSWORD=box("a", "f" * 16))
    problem = scene.plan(scene.service(**ENVIRONMENT)).problem
    assert problem is not None
    assert problem.code == "SECRET_KEY_MISSING"


@pytest.mark.parametrize("order", ["startFirst", "stopFirst"])
@pytest.mark.parametrize("how", ["the secret goes", "its key goes", "our key goes"])
def test_the_old_containers_stay(order: str, how: str) -> None:
    scene = Scene()
    db = scene.secret(PASSWORD=box("a"))
    web = scene.service(**ENVIRONMENT, update={"order": order})
    scene.go(web)
    before = scene.containers(web)
    match how:
        case "the secret goes":
            del scene.rows[db]
        case "its key goes":
            scene.secret(OTHER=box("a"))
        case _:
            scene.secret(PASSWORD=box("b", "f" * 16))
    scene.go(web)
    assert [c.id for c in scene.containers(web)] == [c.id for c in before]
    assert all(c.running for c in scene.containers(web))
    status = scene.status(web)
    assert status["error"]["code"].startswith("SECRET_")
    assert status["state"] == "running"


def test_without_our_key_what_runs_is_still_healed_and_scaled_down() -> None:
    scene = Scene()
    scene.secret(PASSWORD=box("a"))
    web = scene.service(**ENVIRONMENT, replicas=2)
    scene.go(web)
    scene.platform = Platform(INSTANCE)
    assert scene.text(web) == ""
    scene.exits(scene.containers(web)[0])
    assert "StartContainer acme_web_0" in scene.text(web)
    scene.go(web)
    scene.service(**ENVIRONMENT, replicas=1)
    scene.go(web)
    assert len(scene.containers(web)) == 1


def test_a_secret_made_again_is_rolled_out() -> None:
    scene = Scene()
    db = scene.secret(PASSWORD=box("a"))
    web = scene.service(**ENVIRONMENT)
    scene.go(web)
    first = scene.only(web)
    del scene.rows[db]
    scene.go(web)
    scene.secret(PASSWORD=box("z"))
    scene.go(web)
    assert scene.only(web).id != first.id
    assert scene.status(web)["phase"] == "Running"


def test_pull_credentials_are_handed_out_sealed_and_roll_nothing() -> None:
    scene = Scene()
    scene.secret("registry", username=box("u"), password=box("p"))
    web = scene.service(imagePullSecret="registry")
    scene.go(web)
    context = scene.context(web)
    found = credentials(web, context.spec, context.refs)
    assert found is not None
    assert (found.username.text, found.password.text) == (box("u"), box("p"))
    scene.secret("registry", username=box("u"), password=box("q"))
    assert scene.text(web) == ""


def test_a_revision_tells_nothing_of_a_value() -> None:
    """The label is a hash over the box, which is never the same twice."""
    scene = Scene()
    scene.secret(PASSWORD=box("a"))
    web = scene.service(**ENVIRONMENT)
    one = created(scene, web).spec.labels
    scene.secret(PASSWORD=box("b"))
    two = created(scene, web).spec.labels
    assert one["io.skypanel.revision"] != two["io.skypanel.revision"]
    assert not any(box(text) in value for text in "ab" for value in (*one.values(), *two.values()))
