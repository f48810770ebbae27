"""An image with this very interpreter and one program of ours: what busybox cannot do (keep
connections, read bodies, stream) is done by a few lines of Python.

The interpreter's binary, its standard library and the shared libraries that ``ldd`` names are
imported as they are here, so that nothing is pulled. About 40 MB, made once per engine.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.images import import_image

HOME = "python"
LEFT_OUT = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "idlelib", "ensurepip", "lib2to3"}
    | {"tkinter", "turtledemo", "distutils", "pydoc_data", "unittest"}
)
_LIBRARY = re.compile(r"(/\S+)\s+\(0x[0-9a-f]+\)")


def ensure_python_image(program: Path, docker_host: str | None = None) -> str:
    """Its reference. Runs that file."""
    digest = hashlib.sha256(program.read_bytes() + sys.version.encode()).hexdigest()[:12]
    changes = (
        f'CMD ["/{HOME}/bin/python3", "-u", "/program.py"]',
        f"ENV PYTHONHOME=/{HOME} LD_LIBRARY_PATH=/{HOME}/so PYTHONDONTWRITEBYTECODE=1",
    )
    reference = f"skypanel/test-python-{program.stem}:{digest}"
    return import_image(reference, changes, lambda: _filesystem(program), docker_host)


def _filesystem(program: Path) -> bytes:
    binary = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    modules = sorted(_modules(library))
    objects = [binary, *(path for path in modules if path.suffix == ".so")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(program, "program.py")
        tar.add(binary, f"{HOME}/bin/python3")
        for path in modules:
            tar.add(path.resolve(), f"{HOME}/lib/{library.name}/{path.relative_to(library)}")
        for path in sorted(_libraries(objects)):
            loader = path.name.startswith("ld-")
            tar.add(path.resolve(), str(path) if loader else f"{HOME}/so/{path.name}")
    return buffer.getvalue()


def _modules(library: Path) -> Iterator[Path]:
    for path in library.rglob("*"):
        parts = path.relative_to(library).parts
        left = LEFT_OUT.intersection(parts) or any(part.startswith("config-") for part in parts)
        kept = path.suffix in {".py", ".so"} or path.name.endswith("-311.pyc")
        if kept and not left and path.is_file():
            yield path


def _libraries(objects: list[Path]) -> set[Path]:
    said = subprocess.run(
        ["ldd", *map(str, objects)], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    return {Path(found) for found in _LIBRARY.findall(said)}
