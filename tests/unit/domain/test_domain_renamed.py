"""A Domain that got another hostname: each name is judged by what DNS says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from resources.meta import HostnameClaim
from tests.unit.domain.domain_stage import NAME, SHOP, UID, DomainStage, active

OLD, NEW = "shop.example.com", "new.example.com"


def renamed() -> DomainStage:
    """The new name is not proven; what stands for the old one is served."""
    stage = active()
    stage.domain(hostname=NEW)
    stage.go()
    stage.ask((), of=NEW)
    stage.go()
    assert OLD in str(stage.world.published[UID].rules)
    return stage


def test_the_old_name_serves_as_long_as_it_is_proven_itself() -> None:
    stage = renamed()
    for _ in range(60):
        stage.now += timedelta(hours=1)
        stage.ask((), of=NEW)
        stage.ask(of=OLD)
        assert not any(word in line for line in stage.go() for word in ("Withdraw", "Claim"))
    assert UID in stage.world.published
    assert "earlierHostnames" not in stage.told


@pytest.mark.parametrize("answer", [{"texts": ()}, {"addresses": ("198.51.100.1",)}])
def test_the_old_name_goes_when_it_is_lost_itself(answer: dict[str, Any]) -> None:
    """Whoever has it now can prove it then."""
    stage = renamed()
    for _ in range(25):
        assert UID in stage.world.published
        stage.now += timedelta(hours=1)
        stage.ask((), of=NEW)
        stage.ask(of=OLD, **answer)
        said = stage.go()
    cause = "the proof has been missing, or the name led elsewhere, for long"
    assert said[0] == f"ClaimHostname {OLD} ({cause})"
    assert said[1].startswith(f"WithdrawRoutes {NAME} (the name is not proven any more)")
    assert not any(claim.verified for claim in stage.rows[SHOP].record.hostnames)
    assert UID not in stage.world.published


def test_what_is_amiss_with_an_old_name_is_told_and_outlives_a_restart() -> None:
    stage = renamed()
    stage.now += timedelta(hours=1)
    stage.ask((), of=OLD)
    stage.go()
    (told,) = stage.told["earlierHostnames"]
    assert (told["hostname"], told["record"]) == (OLD, f"_skypanel-verify.{OLD}")
    stage.world.findings.clear()
    stage.go()
    stage.now += timedelta(hours=1)
    stage.ask((), of=OLD)
    stage.go()
    assert stage.told["earlierHostnames"] == [told]


def test_a_new_name_that_is_taken_leaves_the_old_one_in_force() -> None:
    stage = renamed()
    stage.claims(HostnameClaim(OLD, "", True), HostnameClaim(NEW, "", False, "taken"))
    assert [line for line in stage.go() if "Withdraw" in line] == []
    assert stage.told["error"]["code"] == "DOMAIN_CONFLICT"
    assert UID in stage.world.published


def test_since_when_it_fails_is_each_names_own() -> None:
    stage = active()
    for _ in range(23):
        stage.now += timedelta(hours=1)
        stage.ask(())
        stage.go()
    assert stage.told["verification"]["failingSince"]
    stage.domain(hostname=NEW)
    stage.go()
    stage.go()
    assert stage.question() is not None
    assert stage.standing().question.failing_since is None
    assert "failingSince" not in stage.told["verification"]
    assert stage.ask(()).failing_since == stage.now


def test_only_answers_count() -> None:
    """Five bad ones in a minute, then a day in which DNS cannot be asked, for changing reasons."""
    stage = active()
    for _ in range(5):
        stage.now += timedelta(seconds=10)
        stage.ask(())
    for number in range(300):
        stage.now += timedelta(minutes=10)
        stage.ask((), error="timed out" if number % 2 else "SERVFAIL")
        assert stage.go() == []
    stage.ask(())
    assert stage.go() == []
    assert stage.told["state"] == "active"
    for _ in range(24):
        stage.now += timedelta(hours=1)
        stage.ask(())
        stage.go()
    assert stage.told["state"] == "pending"
