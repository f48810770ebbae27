"""A registry that wants credentials, in every mood: what a service says of it, what another tenant
gets, and whether it all ends well once the cause has gone. ``python -m tests.e2e.registries``
prints the table.

Each row is a service of its own. ``wrong`` makes it fail, ``cure`` takes the cause away and nothing
else: the service is not touched unless its own declaration was what was wrong.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e import fleet
from tests.e2e.engines import private_engine, root_here
from tests.e2e.harness import Docker, Program, short_directory, until
from tests.e2e.private_registry import USER, PrivateRegistry, forget, push

RIGHT, WRONG, OTHERS = "kMzp-right-password", "kMzp-wrong-password", "kMzp-rivals-password"
RIVAL = "richard-of-the-rival"
LARGE, PACE = 6_000_000, 600_000
"""Bytes of an image, and how many of them a second when it shall last."""


@dataclass(frozen=True)
class Row:
    """code: of the error, '' for none. ends: it is Running once it is cured."""

    name: str
    code: str
    play: Callable[[Scene, str], None]
    cure: Callable[[Scene, str], None] | None = None
    organization: str = "pulling"
    spec: Mapping[str, Any] | None = None
    long: bool = False

    @property
    def service(self) -> str:
        return self.name.lower().replace(" ", "-").replace(",", "")


@dataclass(frozen=True)
class Outcome:
    row: Row
    code: str
    message: str
    suggestion: str
    told: float
    cured: float | None
    event: str
    status: Mapping[str, Any]


class Scene:
    def __init__(self, program: Program, docker: Docker, registry: PrivateRegistry) -> None:
        self.program, self.docker, self.registry = program, docker, registry
        self.pushed: list[str] = []
        self.digests: dict[str, str] = {}

    # -- hands
    def image(self, name: str = "team/app:1") -> str:
        return self.registry.image(name)

    def push(self, name: str, extra: int = 1024) -> str:
        """Another image of that name; its id."""
        id_, digest = push(self.docker, self.registry.inside(name), USER, RIGHT, extra)
        self.pushed.append(id_)
        self.digests[name] = digest
        return id_

    def secret(self, name: str, organization: str = "pulling", **data: str) -> None:
        document = {
            "apiVersion": "skypanel.io/v1",
            "kind": "Secret",
            "metadata": {"name": name, "organization": organization},
            "spec": {"data": data},
        }
        done = self.program.ctl("apply", "-f", "-", input=json.dumps(document))
        assert done.returncode == 0, done.stderr

    def service(self, name: str, organization: str = "pulling", **spec: Any) -> None:
        whole = {
            "image": self.image(),
            "imagePullPolicy": "IfNotPresent",
            "imagePullSecret": "registry",
            **spec,
        }
        declared = {key: value for key, value in whole.items() if value is not None}
        image = declared.pop("image")
        self.program.sql(fleet.service(organization, name, image, **declared), "SELECT 1")

    def status(self, name: str, organization: str = "pulling") -> Mapping[str, Any]:
        rows = self.program.sql(
            "SELECT status FROM skyctl.resource_status JOIN skyctl.resources USING (uid)"
            f" WHERE kind = 'Service' AND organization = '{organization}' AND name = '{name}'"
        )
        return json.loads(rows[0]["status"]) if rows else {}

    def containers(self, name: str, organization: str = "pulling") -> list[dict[str, Any]]:
        return self.docker.containers(
            self.program.label,
            f"io.skypanel.name={name}",
            f"io.skypanel.organization={organization}",
        )

    def events(self, name: str, organization: str = "pulling") -> list[str]:
        rows = self.program.sql(
            "SELECT reason, message FROM skyctl.events WHERE kind = 'Service'"
            f" AND organization = '{organization}' AND name = '{name}' ORDER BY at DESC"
        )
        return [f"{row['reason']}: {row['message']}" for row in rows]

    def error(self, row: Row, seconds: float = 120.0) -> Mapping[str, Any]:
        def found() -> Any:
            return self.status(row.service, row.organization).get("error")

        error: Mapping[str, Any] = until(found, seconds=seconds, what=f"{row.name}: an error")
        return error

    def running(self, name: str, organization: str = "pulling", seconds: float = 90.0) -> None:
        def runs() -> bool:
            status = self.status(name, organization)
            return status["phase"] == "Running" and not status["error"]

        until(runs, seconds=seconds, what=f"{organization}/{name} runs", every=0.1)

    def stirred(self) -> set[str]:
        """What is changed while registries are asked about tags a few times more: which calls, but
        for the removal of images whose tag has moved on."""
        for name in ("foreign-tenant-by-digest", "foreign-tenant-never"):
            self.program.sql(fleet.delete("Service", "stranger", name), "SELECT 1")
        until(lambda: fleet.settled(self.program), what="all that is left is settled")
        before, asked = self._writes(), self._asked()
        until(lambda: self._asked() > asked + 2, what="registries are asked about tags")
        return {name for name, count in self._writes().items() if count != before.get(name)}

    def _writes(self) -> dict[str, float]:
        return {
            name: value
            for name, value in self.program.metrics().items()
            if name.startswith("skyctl_engine_call_seconds_count")
            and any(f'operation="{verb}_' in name for verb in fleet.WRITES)
            and "remove_image" not in name
        }

    def _asked(self) -> float:
        return sum(
            value
            for name, value in self.program.metrics().items()
            if name.startswith("skyctl_engine_call_seconds_count") and "ask_registry" in name
        )

    # -- a row
    def play(self, row: Row) -> Outcome:
        began = time.monotonic()
        row.play(self, row.service)
        error: Mapping[str, Any] = {}
        if row.code:
            error = self.error(row)
            assert not self.containers(row.service, row.organization), row.name
        else:
            self.running(row.service, row.organization)
        told, cured = time.monotonic() - began, None
        event = next((e for e in self.events(row.service, row.organization) if _tells(e)), "")
        if row.cure is not None:
            began = time.monotonic()
            row.cure(self, row.service)
            self.running(row.service, row.organization)
            cured = time.monotonic() - began
        return Outcome(
            row,
            error.get("code", ""),
            error.get("message", ""),
            next(iter(error.get("suggestions", ())), ""),
            told,
            cured,
            event,
            self.status(row.service, row.organization),
        )


def _tells(event: str) -> bool:
    return event.startswith(("Image", "Secret", "Pulled", "Drift"))


# ---------------------------------------------------------------- the rows


def _declare(**spec: Any) -> Callable[[Scene, str], None]:
    return lambda scene, name: scene.service(name, **spec)


def _wrong(scene: Scene, name: str) -> None:
    scene.secret(name, username=USER, password=WRONG)
    scene.service(name, imagePullSecret=name)


def _corrected(scene: Scene, name: str) -> None:
    scene.secret(name, username=USER, password=RIGHT)


def _keyless(scene: Scene, name: str) -> None:
    scene.secret(name, user=USER, password=RIGHT)
    scene.service(name, imagePullSecret=name)


def _foreign(scene: Scene, name: str) -> None:
    """The image is on the engine, pulled and run by another organization."""
    scene.running("right")
    scene.service(name, "stranger", imagePullSecret=None)


def _foreign_by_digest(scene: Scene, name: str) -> None:
    digest = scene.digests["team/app:1"]
    scene.service(name, "stranger", imagePullSecret=None, image=scene.image(f"team/app@{digest}"))


def _foreign_never(scene: Scene, name: str) -> None:
    scene.service(name, "stranger", imagePullSecret=None, imagePullPolicy="Never")


def _own_account(scene: Scene, name: str) -> None:
    """The last of the rows of its organization: from here on it has access."""
    scene.registry.users(**{USER: RIGHT, RIVAL: OTHERS})
    scene.secret("registry", "stranger", username=RIVAL, password=OTHERS)
    scene.service(name, "stranger")


def _mid_pull(scene: Scene, name: str) -> None:
    scene.push("team/large:1", LARGE)
    scene.registry.pace = PACE
    scene.service(name, image=scene.image("team/large:1"))
    until(
        lambda: any("Pulling: " in e and "of" in e for e in scene.events(name)),
        what="progress is told",
    )
    scene.registry.stop()


def _started_again(scene: Scene, _name: str) -> None:
    scene.registry.pace = None
    scene.registry.start()


def _down(scene: Scene, name: str) -> None:
    scene.push("team/down:1")
    scene.registry.stop()
    scene.service(name, image=scene.image("team/down:1"))


def _tag_moved(scene: Scene, name: str) -> None:
    first = scene.push("team/moving:1")
    scene.service(name, image=scene.image("team/moving:1"), imagePullPolicy="Always")
    scene.running(name)
    assert [c["ImageID"] for c in scene.containers(name)] == [first]
    second = scene.push("team/moving:1")
    until(
        lambda: [c["ImageID"] for c in scene.containers(name)] == [second],
        seconds=60,
        what="the new image runs",
    )
    digest = scene.image(f"team/moving@{scene.digests['team/moving:1']}")
    until(lambda: scene.status(name)["image"]["digest"] == digest, what="its digest is told")


def _pushed(scene: Scene, _name: str) -> None:
    scene.push("team/late:1")


ROWS: Sequence[Row] = (
    Row(
        "absent",
        "IMAGE_PULL_UNAUTHORIZED",
        _declare(imagePullSecret=None),
        _declare(),
    ),
    Row("wrong", "IMAGE_CREDENTIALS_REFUSED", _wrong, _corrected),
    Row("right", "", _declare()),
    Row(
        "foreign tenant, by digest",
        "IMAGE_PULL_UNAUTHORIZED",
        _foreign_by_digest,
        organization="stranger",
    ),
    Row("foreign tenant, Never", "IMAGE_NOT_FOUND", _foreign_never, organization="stranger"),
    Row(
        "foreign tenant",
        "IMAGE_PULL_UNAUTHORIZED",
        _foreign,
        _own_account,
        organization="stranger",
    ),
    Row(
        "secret missing",
        "SECRET_NOT_FOUND",
        _declare(imagePullSecret="secret-missing"),
        _corrected,
        long=True,
    ),
    Row("secret without keys", "SECRET_KEY_NOT_FOUND", _keyless, _corrected, long=True),
    Row(
        "wrong name",
        "IMAGE_NOT_FOUND",
        lambda scene, name: scene.service(name, image=scene.image("team/late:1")),
        _pushed,
        long=True,
    ),
    Row("registry down", "IMAGE_REGISTRY_UNREACHABLE", _down, _started_again, long=True),
    Row("stopped mid-pull", "IMAGE_REGISTRY_UNREACHABLE", _mid_pull, _started_again, long=True),
    Row("tag moved", "", _tag_moved),
)


@contextmanager
def scene(program: Program, docker: Docker, place: Path) -> Iterator[Scene]:
    """The program started, two organizations, one of which has an account at the registry."""
    (place / "registry").mkdir()
    program.env |= {"SKYCTL_RESYNC_INTERVAL": "5s", "SKYCTL_IMAGE_CHECK_INTERVAL": "1s"}
    with PrivateRegistry(place / "registry").open() as registry:
        registry.users(**{USER: RIGHT})
        made = Scene(program, docker, registry)
        try:
            made.push("team/app:1")
            program.start()
            program.sql(fleet.organization("pulling"), fleet.organization("stranger"), "SELECT 1")
            made.secret("registry", username=USER, password=RIGHT)
            yield made
        finally:
            if instance := program.instance_known():
                program.stop()
                docker.sweep(instance)
            for image in made.pushed:
                forget(docker, image)


def play(made: Scene, *, long: bool) -> list[Outcome]:
    return [made.play(row) for row in ROWS if long or not row.long]


# ---------------------------------------------------------------- a full disk

SMALL, ROOMY = "40m", "400m"
"""The engine's disk, before and after somebody made room."""


def _full(scene: Scene, name: str) -> None:
    scene.push("team/huge:1", 60_000_000)
    scene.service(name, image=scene.image("team/huge:1"))


DISK_FULL = Row("disk full", "IMAGE_DISK_FULL", _full, long=True)


def on_a_full_disk(place: Path) -> Outcome:
    """On an engine of our own, whose disk is small until room is made."""
    disk = place / "disk"
    disk.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(disk))
    program = Program(place / "full")
    try:
        with private_engine(disk / "engine") as engine:
            program.env["DOCKER_HOST"] = engine.host
            row = replace(
                DISK_FULL,
                cure=lambda *_: _run("mount", "-o", f"remount,size={ROOMY}", str(disk)),
            )
            try:
                with scene(program, Docker(), place) as made:
                    return made.play(row)
            finally:
                program.end_database()
    finally:
        _run("umount", "-l", str(disk))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=30)


def table(outcomes: Sequence[Outcome]) -> str:
    lines = [
        "| registry | told in s | code | message | suggestion | well after s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in outcomes:
        cured = "" if each.cured is None else f"{each.cured:.1f}"
        lines.append(
            f"| {each.row.name} | {each.told:.1f} | {each.code or 'none'} "
            f"| {each.message or each.event} | {each.suggestion} | {cured} |"
        )
    return "\n".join(lines)


def main() -> None:
    with short_directory() as place:
        program, docker = Program(place / "state"), Docker()
        try:
            with scene(program, docker, place) as made:
                outcomes = play(made, long=True)
        finally:
            if program.process is not None:
                program.stop()
            program.end_database()
    if root_here():
        with short_directory() as place:
            outcomes.append(on_a_full_disk(place))
    print(table(outcomes))


if __name__ == "__main__":
    main()
