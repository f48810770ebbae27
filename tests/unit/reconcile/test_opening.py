"""Credentials are opened for the one call, and nowhere else to be seen."""

from __future__ import annotations

from controller.reconcile.opening import HIDDEN, discreet, opened
from resources.errors import UserError
from resources.sealed import Login, Sealed, SealedCredentials
from resources.steps import PullImage

PLAIN = {"username": "robert", "password": "hush-hush"}
SEALED = SealedCredentials(
    Sealed("acme", "registry", "username", "v1:0:name"),
    Sealed("acme", "registry", "password", "v1:0:word"),
)
PULL = PullImage(reference="r.example/app:1", credentials=SEALED, cause="not on the engine")


def test_what_was_planned_keeps_its_credentials_sealed() -> None:
    plain = opened(PULL, lambda sealed: PLAIN[sealed.key])
    assert isinstance(plain, PullImage)
    assert plain.login == Login("robert", "hush-hush")
    assert PULL.login is None
    for shown in (repr(plain), plain.render(), repr(PULL)):
        assert not any(value in shown for value in PLAIN.values())


def test_a_pull_without_credentials_is_left_as_it_is() -> None:
    step = PullImage(reference="nginx", cause="not on the engine")
    assert opened(step, lambda _: "never") is step


def test_an_engine_that_quotes_them_is_not_quoted() -> None:
    plain = opened(PULL, lambda sealed: PLAIN[sealed.key])
    said = "robert:hush-hush was refused"
    told = discreet(UserError("IMAGE_X", said, details={"engine": said}), PULL, plain)
    assert told.message == f"{HIDDEN}:{HIDDEN} was refused"
    assert told.details == {"engine": told.message}


def test_a_name_that_is_part_of_the_reference_stays() -> None:
    plain = opened(PULL, lambda sealed: {"username": "r.example", "password": "word"}[sealed.key])
    told = discreet(UserError("IMAGE_X", "r.example says word"), PULL, plain)
    assert told.message == f"r.example says {HIDDEN}"


def test_pulls_are_one_only_on_the_same_word() -> None:
    def pull(organization: str = "acme", secret: str = "registry", word: str = "w") -> PullImage:
        told = SealedCredentials(
            Sealed(organization, secret, "username", "n"),
            Sealed(organization, secret, "password", word),
        )
        return PullImage(reference="r.example/app:1", credentials=told, cause="test")

    anonymous = PullImage(reference="r.example/app:1", cause="one")
    assert anonymous.identity == PullImage(reference="r.example/app:1", cause="other").identity
    assert pull().identity == pull().identity
    others = [pull("rival"), pull(secret="other"), pull(word="x"), anonymous]
    assert len({pull().identity, *(other.identity for other in others)}) == 5
