"""When waiting ends, and how."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from controller.cli.columns import table_of
from controller.cli.progress import Progress
from controller.cli.stream import Stream
from controller.cli.waiting import Awaited, Judge, _Wait, condition, deleted, ready
from tests.unit.site import running_site

AWAITED = Awaited("Service", "acme", "web", "u1", 2)


def document(
    *,
    generation: int = 2,
    observed: int | None = 2,
    phase: str = "Running",
    deleting: bool = False,
    annotations: dict[str, str] | None = None,
    error: dict[str, Any] | None = None,
    **conditions: str,
) -> dict[str, Any]:
    status = {
        "observedGeneration": observed,
        "phase": phase,
        "message": "as it is",
        "conditions": [{"type": t, "status": s} for t, s in conditions.items()],
        "error": error,
    }
    return {
        "kind": "Service",
        "metadata": {
            "name": "web",
            "organization": "acme",
            "uid": "u1",
            "generation": generation,
            "annotations": annotations or {},
            **({"deletionRequestedAt": "2026-01-01T00:00:00Z"} if deleting else {}),
        },
        "spec": {"image": "nginx:1"},
        "status": status if observed is not None else None,
    }


@pytest.mark.parametrize(
    ("what", "state"),
    [
        (document(Ready="True"), "done"),
        (document(Ready="True", Reconciling="True"), "pending"),
        (document(Ready="True", observed=1), "pending"),
        (document(Ready="True", generation=1, observed=1), "pending"),
        (document(Ready="True", generation=3, observed=3), "done"),
        (document(Ready="False", phase="Stopped"), "done"),
        (document(Ready="False", phase="Suspended"), "done"),
        (document(Ready="False"), "pending"),
        (document(Ready="False", Stalled="True"), "failed"),
        (document(Ready="False", Stalled="True", observed=1), "pending"),
        (document(observed=None), "pending"),
        (None, "failed"),
    ],
)
def test_ready(what: dict[str, Any] | None, state: str) -> None:
    assert ready(AWAITED, what).state == state


def test_stalled_fails_with_the_error_of_the_status() -> None:
    error = {"code": "IMAGE_NOT_FOUND", "message": "no such image", "suggestions": ["check it"]}
    found = ready(AWAITED, document(Ready="False", Stalled="True", error=error)).error
    assert found is not None
    assert (found.code, found.suggestions) == ("IMAGE_NOT_FOUND", ("check it",))


def test_a_pause_is_said() -> None:
    paused = {"skypanel.io/paused": "moving house"}
    text = ready(AWAITED, document(Ready="False", annotations=paused)).text
    assert "paused: moving house; skyctl resume service/web" in text


@pytest.mark.parametrize(
    ("what", "state"),
    [
        (document(deleting=True), "pending"),
        (document(), "pending"),
        (None, "done"),
        ({**document(), "metadata": {**document()["metadata"], "uid": "other"}}, "done"),
    ],
)
def test_deleted(what: dict[str, Any] | None, state: str) -> None:
    assert deleted(AWAITED, what).state == state


def test_what_was_wrong_before_it_was_to_go_is_not_why_it_is_still_there() -> None:
    error = {"code": "RESOURCE_NOT_FOUND", "message": "there is no Service web"}
    gone = document(deleting=True, error=error)
    assert "no Service" not in deleted(AWAITED, gone).text
    gone["status"]["phase"] = "Deleting"
    assert "no Service" in deleted(AWAITED, gone).text


@pytest.mark.parametrize(
    ("judge", "what", "state"),
    [
        (condition("Available"), document(Available="True"), "done"),
        (condition("Available"), document(Available="True", observed=1), "pending"),
        (condition("Available"), document(Available="False"), "pending"),
        (condition("Drifted", "False"), document(Drifted="False"), "done"),
        (condition("Available"), None, "pending"),
    ],
)
def test_conditions(judge: Judge, what: dict[str, Any] | None, state: str) -> None:
    assert judge(AWAITED, what).state == state


def shown(*lines: dict[str, Any], judge: Judge = ready) -> tuple[str, bool]:
    """What a pipe gets to see, and whether waiting is over."""
    out = io.StringIO()
    with Progress(out) as progress:
        wait = _Wait([AWAITED], judge, progress)
        for line in lines:
            wait.take(line)
    return out.getvalue(), wait.over


def test_nothing_is_judged_before_everything_is_known() -> None:
    text, over = shown({"type": "added", "resource": document(Ready="True")})
    assert (text, over) == ("", False)


def test_a_state_is_printed_once() -> None:
    line = {"type": "modified", "resource": document(Ready="False", phase="Starting")}
    text, over = shown({"type": "synced"}, line, line)
    assert text.splitlines() == ["service/web: gone", "service/web: Starting: as it is"]
    assert not over


def test_after_a_reconnection_everything_is_learnt_anew() -> None:
    text, over = shown(
        {"type": "added", "resource": document(Ready="True")},
        {"type": "resumed"},
        {"type": "synced"},
        judge=deleted,
    )
    assert text.splitlines() == ["service/web: deleted"]
    assert over


def test_pulls_are_told_in_tenths() -> None:
    pulling = {"type": "added", "resource": document(Ready="False", phase="Pulling")}
    pulls = [
        {"type": "pull", "reference": "nginx:1", "status": "d", "current": n, "total": 100}
        for n in range(100)
    ]
    other = {"type": "pull", "reference": "redis:1", "status": "d", "current": 1, "total": 2}
    text, _ = shown(pulling, {"type": "synced"}, other, *pulls)
    lines = text.splitlines()
    assert lines[0] == "service/web: Pulling: as it is"
    assert lines[1] == "service/web: Pulling: nginx:1 0% of 100"
    assert len(lines) == 11


def test_a_stream_that_was_left_is_not_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_site() as site:
        monkeypatch.setenv("SKYCTL_STATE_DIR", str(site.settings.state_dir))
        with Stream("/watch", resume=True) as stream:
            assert stream.next(10) is not None
            assert stream.reading
    end = time.monotonic() + 10
    while stream.reading and time.monotonic() < end:
        time.sleep(0.01)
    assert not stream.reading


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        (
            {"skypanel.io/paused": "by hand"},
            "(paused: by hand; skyctl resume service/web --org acme)",
        ),
        ({"skypanel.io/paused": "false"}, ""),
        ({}, ""),
    ],
)
def test_only_what_is_paused_is_said_to_be(annotations: dict[str, str], told: str) -> None:
    text = ready(AWAITED, document(Ready="False", annotations=annotations)).text
    assert text.removeprefix("Running: as it is").strip() == told


@pytest.mark.parametrize(
    ("running", "shown"),
    [
        ((), "nginx:1"),
        (("nginx:1",), "nginx:1"),
        (("nginx:0", "nginx:0"), "nginx:0 -> nginx:1"),
        (("nginx:0", "nginx:1"), "nginx:0 -> nginx:1"),
        (("sha256:abc", None), "nginx:1"),
    ],
)
def test_the_image_that_runs_is_shown_beside_the_declared_one(
    running: tuple[str | None, ...], shown: str
) -> None:
    found = document()
    found["status"]["containers"] = [{"image": image} for image in running]
    table = table_of("Service", wide=False, organization=False)
    assert table.row(found)[table.headers.index("IMAGE")] == shown


def test_an_endpoint_is_shown_once_and_where_the_host_has_it() -> None:
    found = document()
    inside = {"port": 8080, "protocol": "tcp", "address": "web:8080"}
    outside = {**inside, "hostPort": 18500, "hostAddress": "0.0.0.0"}
    found["status"]["endpoints"] = [inside, outside]
    table = table_of("Service", wide=True, organization=False)
    shown = table.row(found)[table.headers.index("ENDPOINTS")]
    assert shown == "web:8080,0.0.0.0:18500->web:8080"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("CertificateServed", "2027-01-01T00:00:00Z"), ("CertificateMissing", "")],
)
def test_when_a_makeshift_certificate_ends_is_not_shown(reason: str, shown: str) -> None:
    found = {**document(), "kind": "Domain"}
    found["status"]["certificate"] = {"notAfter": "2027-01-01T00:00:00Z"}
    said = {"type": "CertificateReady", "status": "False", "reason": reason}
    found["status"]["conditions"] = [said]
    table = table_of("Domain", wide=False, organization=False)
    assert table.row(found)[table.headers.index("CERTIFICATE")] == shown
