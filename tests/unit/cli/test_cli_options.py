from __future__ import annotations

import pytest

from controller.cli.failure import Misuse, wants_json
from controller.cli.options import Reference, named, organization, references, seconds, service


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["svc"], [Reference("svc")]),
        (["svc,vol"], [Reference("svc"), Reference("vol")]),
        (["svc", "web", "api"], [Reference("svc", "web"), Reference("svc", "api")]),
        (["service/web", "vol/data"], [Reference("service", "web"), Reference("vol", "data")]),
    ],
)
def test_references(words: list[str], found: list[Reference]) -> None:
    assert references(words) == found


@pytest.mark.parametrize("words", [[], ["/"], ["svc/"], ["/web"], ["a/b/c"], ["svc/web", "api"]])
def test_references_that_are_none(words: list[str]) -> None:
    with pytest.raises(Misuse):
        references(words)


def test_a_name_is_asked_for() -> None:
    with pytest.raises(Misuse, match="needs a name"):
        named(["svc"])


@pytest.mark.parametrize(
    "words", [["web"], ["service/web"], ["svc", "web"], ["services", "web"], ["Service/web"]]
)
def test_one_service(words: list[str]) -> None:
    assert service(words).name == "web"


@pytest.mark.parametrize("words", [["svc"], ["web", "api"], ["a/b/c"], []])
def test_no_service(words: list[str]) -> None:
    with pytest.raises(Misuse):
        service(words)


def test_organization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYCTL_ORG", "env")
    assert organization(None) == "env"
    assert organization("flag") == "flag"
    assert organization(None, every=True) is None
    with pytest.raises(Misuse):
        organization("flag", every=True)
    monkeypatch.setenv("SKYCTL_ORG", "")
    assert organization(None) is None


def test_durations() -> None:
    assert seconds("1h30m") == 5400
    with pytest.raises(Misuse, match="duration"):
        seconds("soon")


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "svc", "-o", "json"],
        ["get", "svc", "-ojson"],
        ["get", "--output", "json"],
        ["--output=json"],
    ],
)
def test_json_is_asked_for(arguments: list[str]) -> None:
    assert wants_json(arguments)


@pytest.mark.parametrize(
    "arguments", [["get", "-o", "yaml"], ["exec", "web", "--", "-o", "json"], ["json"], ["-o"]]
)
def test_json_is_not_asked_for(arguments: list[str]) -> None:
    assert not wants_json(arguments)
