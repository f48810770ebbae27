"""Who takes part, and how each is asked to make the services run and to take them away again.

``up`` returns when they run: Compose's ``up -d`` ends then; after ``docker stack deploy`` the
engine is asked until they do.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.packages import Absent, unpacked
from tests.e2e.harness import Docker

PROJECT = "skypeer"
SECONDS = 600.0


@dataclass
class Contestant:
    """A program with a declaration in a file. command: without the verb."""

    name: str
    engine: str
    file: Path
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    async def up(self) -> float:
        """Seconds."""
        began = time.perf_counter()
        await self.run("-f", str(self.file), "-p", PROJECT, "up", "-d")
        return time.perf_counter() - began

    async def down(self) -> None:
        await self.run("-f", str(self.file), "-p", PROJECT, "down", "--timeout", "0")

    async def run(self, *arguments: str) -> str:
        """Its output. Raises RuntimeError."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *arguments,
            env={**os.environ, "DOCKER_HOST": f"unix://{self.engine}", **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{self.name}: {output.decode(errors='replace')[-600:]}")
        return output.decode(errors="replace")


class Stack(Contestant):
    async def up(self) -> float:
        wanted = len(json.loads(self.file.read_text())["services"])
        docker = Docker(self.engine)
        label = f"com.docker.stack.namespace={PROJECT}"
        began = time.perf_counter()
        await self.run("stack", "deploy", "--resolve-image", "never", "-c", str(self.file), PROJECT)
        async with asyncio.timeout(SECONDS):
            while await asyncio.to_thread(_running, docker, label) < wanted:
                await asyncio.sleep(0.1)
        return time.perf_counter() - began

    async def down(self) -> None:
        docker = Docker(self.engine)
        label = f"com.docker.stack.namespace={PROJECT}"
        await self.run("stack", "rm", PROJECT)
        async with asyncio.timeout(SECONDS):
            while await asyncio.to_thread(docker.containers, label) or await asyncio.to_thread(
                docker.networks, label
            ):
                await asyncio.sleep(0.2)


def _running(docker: Docker, label: str) -> int:
    return sum(c["State"] == "running" for c in docker.containers(label))


def compose_v2(engine: str, place: Path, declaration: dict[str, Any]) -> Contestant:
    """Raises Absent."""
    root = unpacked("trixie", "docker-compose")
    found = sorted(root.glob("usr/libexec/docker/cli-plugins/docker-compose"))
    if not found:
        raise Absent("its package has no Compose plug-in")
    file = _written(place / "compose2.yml", declaration)
    return Contestant("Compose v2", engine, file, [str(found[0])])


def compose_v1(engine: str, place: Path, declaration: dict[str, Any]) -> Contestant:
    """Raises Absent."""
    root = unpacked("bookworm", "docker-compose", r"python3-(?!minimal|venv|pip).*")
    script, python = root / "usr/bin/docker-compose", Path("/usr/bin/python3")
    if not script.exists() or not python.exists():
        raise Absent("needs /usr/bin/python3")
    file = _written(place / "compose1.yml", declaration)
    libraries = {"PYTHONPATH": str(root / "usr/lib/python3/dist-packages")}
    return Contestant("docker-compose 1.29", engine, file, [str(python), str(script)], libraries)


def stack(engine: str, place: Path, declaration: dict[str, Any]) -> Contestant:
    """Raises Absent. The engine is the leader of a swarm of its own already."""
    client = shutil.which("docker")
    if client is None:
        raise Absent("no docker command")
    return Stack("docker stack", engine, _written(place / "stack.yml", declaration), [client])


def _written(path: Path, declaration: dict[str, Any]) -> Path:
    """JSON is YAML."""
    path.write_text(json.dumps(declaration))
    return path
