"""Claims, what is lacking, and who is let in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from resources.quota import (
    EXCEEDED,
    Asking,
    Claims,
    Request,
    Shortfall,
    Terms,
    exceeded,
    settle,
    shortfalls,
    usage,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
GIB = 1 << 30


def asking(uid: str, after: int, held: Claims, wanted: Claims) -> Asking:
    return Asking(uid, held, Request(1, wanted, NOW + timedelta(seconds=after)))


def test_only_growth_is_weighed() -> None:
    over = {"containers": 7}
    assert shortfalls({"containers": 4}, over, {"containers": 2}, {"containers": 2}) == ()
    assert shortfalls({"containers": 4}, over, {"containers": 2}, {"containers": 1}) == ()
    assert shortfalls({"containers": 4}, over, {"containers": 2}, {"containers": 3}) == (
        Shortfall("containers", 4, 7, 1),
    )


def test_the_first_who_asked_is_let_in_first() -> None:
    later, earlier = (asking(uid, at, {}, {"containers": 1}) for uid, at in (("a", 2), ("b", 1)))
    outcome = settle({"containers": 4}, {"containers": 3}, [later, earlier])
    assert outcome == {"b": (), "a": (Shortfall("containers", 4, 4, 1),)}


def test_who_does_not_fit_stands_in_nobodys_way() -> None:
    huge = asking("huge", 1, {}, {"containers": 9})
    small = asking("small", 2, {}, {"containers": 1})
    outcome = settle({"containers": 4}, {"containers": 3}, [huge, small])
    assert (outcome["huge"], outcome["small"]) == ((Shortfall("containers", 4, 3, 9),), ())


def test_without_limits_everybody_is_let_in() -> None:
    assert settle({}, {"containers": 99}, [asking("a", 1, {}, {"containers": 9})]) == {"a": ()}


def test_the_message_names_plan_limit_use_and_request() -> None:
    lacking = (Shortfall("cpu", 2_000_000_000, 1_500_000_000, 1_000_000_000),)
    terms = Terms("acme", 1, {"cpu": 2_000_000_000}, "Starter")
    error = exceeded(terms, lacking, pointers={"cpu": "/spec/resources/cpu"})
    assert error.code == EXCEEDED
    assert not error.retryable
    assert error.message == (
        'the quota of plan "Starter" does not allow it: cpu: limit 2, used 1500m, requested 1 more'
    )
    assert error.details == {
        "resource": "cpu",
        "limit": 2,
        "used": 1.5,
        "requested": 1,
        "plan": "Starter",
        "organization": "acme",
        "pointer": "/spec/resources/cpu",
    }


def test_every_shortfall_is_told() -> None:
    lacking = (Shortfall("memory", GIB, GIB, GIB // 2), Shortfall("containers", 1, 1, 1))
    error = exceeded(Terms("acme", 1), lacking, pointers={})
    assert error.message == (
        "the quota of organization acme does not allow it: memory: limit 1Gi, used 1Gi, "
        "requested 512Mi more; containers: limit 1, used 1, requested 1 more"
    )


def test_usage_is_in_cores_bytes_and_numbers() -> None:
    found = usage({"cpu": 500_000_000, "memory": GIB}, {"cpu": 2_000_000_000, "services": 3})
    assert found["cpu"] == {"used": 0.5, "limit": 2}
    assert found["memory"] == {"used": GIB, "limit": None}
    assert found["services"] == {"used": 0, "limit": 3}
