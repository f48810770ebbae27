from __future__ import annotations

import pytest

from controller.api.selector import parse_selector
from resources.errors import UserError

LABELS = {"app": "web", "tier": "front", "team.example/x": "a-b_c.d"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "app=web",
        "app==web",
        "app = web",
        "app!=db",
        "missing!=x",
        "app",
        "!missing",
        "app in (web,db)",
        "app in (web, db),tier=front",
        "tier notin (back)",
        "missing notin (a)",
        "team.example/x=a-b_c.d",
        "app=web,!missing,tier",
    ],
)
def test_matches(text: str | None) -> None:
    assert parse_selector(text)(LABELS)


@pytest.mark.parametrize(
    "text",
    [
        "app=db",
        "app!=web",
        "missing",
        "!app",
        "app in (db)",
        "tier notin (front)",
        "app=web,tier=x",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not parse_selector(text)(LABELS)


@pytest.mark.parametrize(
    "text", ["=", "app=a b", "app in web", "a,,b", "app~web", "app in (a", "-a"]
)
def test_refuses(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_selector(text)
    assert caught.value.code == "CONFIGURATION_INVALID_SELECTOR"
    assert caught.value.suggestions
