"""Images for tests, made locally: no registry is needed.

``ensure_busybox_image`` imports Debian's static busybox, with a link for every applet, as an image
of 2 MB. It is made once per engine and kept under a tag that names its content's version.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

BUSYBOX = "skypanel/test-busybox:1"
FOREVER = 'CMD ["sleep", "1000000"]'
API = "/v1.41"


def ensure_busybox_image(docker_host: str | None = None) -> str:
    """Its reference. CMD sleeps for ever; users root and app (1000); /www/index.html says ok."""
    return ensure_image(BUSYBOX, (FOREVER,), docker_host)


def ensure_image(reference: str, changes: Sequence[str], docker_host: str | None = None) -> str:
    """Busybox with Dockerfile instructions (CMD, ENTRYPOINT, USER, HEALTHCHECK, ENV ...)."""
    return import_image(reference, changes, root_filesystem, docker_host)


def import_image(
    reference: str,
    changes: Sequence[str],
    filesystem: Callable[[], bytes],
    docker_host: str | None = None,
) -> str:
    """The tar archive as an image of that reference, where the engine does not have it yet."""
    with _client(docker_host) as client:
        if client.get(f"{API}/images/{reference}/json").status_code == 200:
            return reference
        name, _, tag = reference.rpartition(":")
        answer = client.post(
            f"{API}/images/create",
            params={"fromSrc": "-", "repo": name, "tag": tag, "changes": list(changes)},
            content=filesystem(),
            headers={"Content-Type": "application/x-tar"},
        )
        answer.raise_for_status()
        for line in answer.text.splitlines():
            if "error" in (said := json.loads(line)):
                raise RuntimeError(said["error"])
    return reference


def _client(docker_host: str | None) -> httpx.Client:
    host = docker_host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if host.startswith("unix://"):
        transport = httpx.HTTPTransport(uds=host.removeprefix("unix://"))
        return httpx.Client(transport=transport, base_url="http://docker", timeout=60)
    return httpx.Client(base_url=host.replace("tcp://", "http://"), timeout=60)


def root_filesystem(extra: bytes = b"") -> bytes:
    """Of an image, as a tar archive. extra: the content of a file that makes it another one."""
    binary = _busybox()
    applets = subprocess.run(
        [binary, "--list"], check=True, capture_output=True, text=True, timeout=10
    ).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("www", 0o755)):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, mode
            tar.addfile(member)
        _file(tar, "bin/busybox", binary.read_bytes(), 0o755)
        for applet in applets:
            if applet != "busybox":
                member = tarfile.TarInfo(f"bin/{applet}")
                member.type, member.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(member)
        _file(tar, "etc/passwd", b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n", 0o644)
        _file(tar, "etc/group", b"root:x:0:\napp:x:1000:\n", 0o644)
        _file(tar, "www/index.html", b"ok\n", 0o644)
        if extra:
            _file(tar, "extra", extra, 0o644)
    return buffer.getvalue()


def _file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def _busybox() -> Path:
    """A static busybox: the system's, or Debian's package unpacked beside it."""
    kept = Path(tempfile.gettempdir()) / f"skypanel-test-busybox-{os.getuid()}"
    binary = kept / "bin" / "busybox"
    for there in (binary, Path(shutil.which("busybox") or "/nowhere")):
        if there.exists() and _static(there):
            return there
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(
            ["apt-get", "download", "busybox-static"],
            cwd=work, check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        package = next(Path(work).glob("*.deb"))
        subprocess.run(
            ["dpkg", "-x", str(package), work], check=True, capture_output=True, timeout=60
        )
        found = next(p for p in (Path(work) / "bin", Path(work) / "usr/bin") if p.exists())
        binary.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(found / "busybox", binary)
    return binary


def _static(binary: Path) -> bool:
    """No program interpreter: it runs without a C library."""
    return b"/ld-linux" not in binary.read_bytes()
