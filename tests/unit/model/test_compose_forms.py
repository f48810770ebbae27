"""What Compose files write is answered with the form that is wanted here."""

from __future__ import annotations

from typing import Any

import pytest

from resources.errors import UserError
from resources.validate import validate


def refused(**spec: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        validate("Service", {"image": "nginx:1", **spec})
    return caught.value


@pytest.mark.parametrize(
    ("field", "item", "form"),
    [
        ("ports", "8080:80", "{containerPort: 80, hostPort: 8080}"),
        ("ports", "80", "{containerPort: 80}"),
        ("ports", 80, "{containerPort: 80}"),
        ("ports", "53:53/udp", "{containerPort: 53, hostPort: 53, protocol: udp}"),
        (
            "ports",
            "127.0.0.1:8088:80",
            "{containerPort: 80, hostPort: 8088, hostAddress: 127.0.0.1}",
        ),
        ("volumes", "data:/var/lib/x:ro", "{volume: data, mountPath: /var/lib/x, readOnly: true}"),
        ("volumes", "data:/x", "{volume: data, mountPath: /x}"),
        ("tmpfs", "/run", "{mountPath: /run}"),
    ],
)
def test_short_forms(field: str, item: str | int, form: str) -> None:
    error = refused(**{field: [item]})
    assert error.message.endswith(f": write {form}")
    assert error.suggestions == (f"spec.{field}[0]: write {form}",)


@pytest.mark.parametrize("item", ["a:b", "$PORT:80", "./data:/x", "{}:1", True, 1.5])
def test_what_no_short_form_is_gets_no_wrong_advice(item: Any) -> None:
    for field in ("ports", "volumes", "tmpfs"):
        error = refused(**{field: [item]})
        assert error.suggestions == (f"see what it may be: skyctl explain service.{field}",)


def test_a_list_as_environment_says_how_and_repeats_no_value() -> None:
    error = refused(environment=["PASSWORD=hush", "B=2"])
    assert "write 'PASSWORD: VALUE' instead of '- PASSWORD=VALUE'" in error.message
    assert "hush" not in str(error.to_dict())


def test_a_number_in_words() -> None:
    error = refused(replicas="two")
    assert error.message == "spec.replicas: expected a whole number, got text: did you mean 2?"
    assert error.suggestions == ("spec.replicas: write 2",)
    assert refused(replicas="many").suggestions == (
        "see what it may be: skyctl explain service.replicas",
    )
    assert refused(**{"": 1}).suggestions == ("see what it may be: skyctl explain service",)
