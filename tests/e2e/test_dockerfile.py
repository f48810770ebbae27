"""The Dockerfile: built on a base of Debian's packages, run without root on a mounted socket.

No registry of images is needed: the base comes from mmdebstrap, the wheels from pip on this side.
Both are kept in .state/cache, so that only the first run pays for them.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

from docker_http import STANDARD_SOCKET, Engine, EngineError  # noqa: E402

pytestmark = pytest.mark.docker

CACHE = PROJECT / ".state" / "cache"
PACKAGES = "python3,python3-venv,ca-certificates"
CONTEXT = (
    ".dockerignore",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements.txt",
    "requirements-build.txt",
    "controller",
    "resources",
)


def run(*command: str | Path, timeout: float = 300) -> str:
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def suite() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    return found[1] if found else ""


def base_archive() -> Path:
    """A minimal Debian with Python, as a tar archive."""
    archive = CACHE / f"base-{suite()}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".partial.tar")
        apt = Path("/etc/apt")
        candidates = (apt / "sources.list", *(apt / "sources.list.d").glob("*.sources"))
        sources = [path for path in candidates if path.is_file() and path.stat().st_size]
        run(
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}"),
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            *(suite(), partial, *sources),
        )
        partial.rename(archive)
    return archive


def wheels(python: str) -> Path:
    """Every pinned wheel for that Python, with the hashes checked."""
    directory = CACHE / f"wheels-{python}"
    directory.mkdir(parents=True, exist_ok=True)
    run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
        *("--require-hashes", "-r", "requirements.txt", "-r", "requirements-build.txt"),
        *("--only-binary", ":all:", "--python-version", python),
        *("--find-links", directory, "--dest", directory),
    )
    return directory


def context(wheelhouse: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in CONTEXT:
            archive.add(PROJECT / name, name)
        archive.add(wheelhouse, "build/wheels")
    return buffer.getvalue()


@dataclass
class Builder:
    """The engine, and the names of what this test makes on it."""

    engine: Engine
    token: str
    layers: list[str] = field(default_factory=list)
    """Images of the steps, which the engine keeps for its cache."""

    @property
    def base(self) -> str:
        return f"skyctl-test-base:{self.token}"

    @property
    def image(self) -> str:
        return f"skyctl-test:{self.token}"

    def create_base(self) -> None:
        query = urlencode({"fromSrc": "-", "repo": "skyctl-test-base", "tag": self.token})
        self.engine.request(
            "POST", f"/images/create?{query}", base_archive().read_bytes(), "application/x-tar"
        )

    def build(self, archive: bytes) -> None:
        arguments = json.dumps({"BASE": self.base})
        query = urlencode(
            {"t": self.image, "buildargs": arguments, "networkmode": "none", "rm": "1"}
        )
        output = self.engine.request("POST", f"/build?{query}", archive, "application/x-tar")
        for line in output.splitlines():
            step = json.loads(line)
            self.layers += re.findall(r"^ ---> ([0-9a-f]{12})$", step.get("stream", ""), re.M)
            assert "error" not in step, step

    def run(
        self, image: str, command: list[str], entrypoint: list[str] | None = None, **host: Any
    ) -> tuple[int, str]:
        """Exit code and output of one container, which is removed again."""
        body = {"Image": image, "Cmd": command, "Tty": True, "HostConfig": host}
        if entrypoint is not None:
            body["Entrypoint"] = entrypoint
        made = self.engine.request("POST", "/containers/create", json.dumps(body).encode())
        path = f"/containers/{json.loads(made)['Id']}"
        try:
            self.engine.request("POST", f"{path}/start")
            code = json.loads(self.engine.request("POST", f"{path}/wait"))["StatusCode"]
            logs = self.engine.request("GET", f"{path}/logs?stdout=1&stderr=1")
            return code, logs.decode(errors="replace")
        finally:
            self.engine.request("DELETE", f"{path}?force=1&v=1")

    def clean(self) -> None:
        for name in (self.image, *reversed(self.layers), self.base):
            with suppress(EngineError):  # most went with the one before
                self.engine.request("DELETE", f"/images/{quote(name, safe=':')}")


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        pytest.skip("needs mmdebstrap and root")
    if os.environ.get("DOCKER_HOST", "unix://").partition("://")[0] != "unix":
        pytest.skip("needs an engine on this machine")
    builder = Builder(Engine(Engine.from_environment().address, 600.0), uuid.uuid4().hex[:10])
    try:
        builder.create_base()
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        _, python = builder.run(builder.base, ["python3", "-c", version])
        builder.build(context(wheels(python.strip())))
        yield builder
    finally:
        builder.clean()


def socket() -> Path:
    return Path(Engine.from_environment().address.removeprefix("unix://"))


def test_the_image_runs_without_root(builder: Builder) -> None:
    code, output = builder.run(builder.image, [], ["id", "-u"])
    assert (code, output.strip()) == (0, "10001")


def test_only_the_state_directory_can_be_written(builder: Builder) -> None:
    code, output = builder.run(
        builder.image, ["-c", "touch $SKYCTL_STATE_DIR/x && ! touch /opt/skyctl/x"], ["sh"]
    )
    assert code == 0, output


def test_it_says_its_version(builder: Builder) -> None:
    from controller import __version__

    code, output = builder.run(builder.image, ["version"], NetworkMode="none", ReadonlyRootfs=True)
    assert code == 0, output
    assert __version__ in output


def test_it_finds_the_engine_on_a_mounted_socket(builder: Builder) -> None:
    group = str(socket().stat().st_gid)
    version = builder.engine.get("/version")["Version"]
    _, output = builder.run(
        builder.image,
        ["doctor"],
        Binds=[f"{socket()}:{STANDARD_SOCKET}"],
        GroupAdd=[group],
        CapDrop=["ALL"],
        SecurityOpt=["no-new-privileges"],
    )
    assert version in output, output


def test_it_says_why_it_may_not_use_the_socket(builder: Builder) -> None:
    code, output = builder.run(
        builder.image, ["doctor"], Binds=[f"{socket()}:{STANDARD_SOCKET}"], CapDrop=["ALL"]
    )
    assert code != 0
    assert "permission denied" in output.lower(), output
