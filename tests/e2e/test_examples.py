"""The examples are run as they stand, by a login that has nothing but the role skyctl_backend."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

PROJECT = Path(__file__).resolve().parents[2]
PANEL = "CREATE ROLE panel LOGIN PASSWORD 'panel'"
GRANT = "GRANT skyctl_backend TO panel"


@pytest.fixture(scope="module", autouse=True)
def _quickstart_image() -> None:
    subprocess.run([sys.executable, PROJECT / "scripts" / "quickstart-image"], check=True)


@pytest.fixture
def panel(program: Program) -> str:
    """The address of the running controller's database, for the panel's login."""
    program.start()
    program.sql(PANEL, GRANT, "SELECT 1")
    return re.sub(r"//skyctl:[^@]*@/", "//panel:panel@localhost/", program.dsn)


def left(docker: Docker, program: Program) -> list[str]:
    found = docker.containers(program.label) + docker.networks(program.label)
    return [str(thing.get("Names") or thing["Name"]) for thing in found]


def test_the_node_client(panel: str, program: Program, docker: Docker, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs Node.js and npm")
    client = tmp_path / "client"
    shutil.copytree(
        PROJECT / "examples" / "node", client, ignore=shutil.ignore_patterns("node_modules")
    )
    subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"], cwd=client, check=True, capture_output=True
    )
    done = subprocess.run(
        ["node", "demo.js"],
        cwd=client,
        env={**os.environ, "DATABASE_URL": panel},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (steps, done.stderr)
    said = {step["step"]: step for step in steps}
    assert len(said["running"]["containers"]) == 1
    assert len(said["scaled"]["containers"]) == 2
    assert said["refused"] == {"step": "refused", "statusWrite": "42501", "sourceForged": "42501"}
    assert "removed" in said
    until(lambda: not left(docker, program), what="nothing is left")


def test_the_sql_contract(panel: str, program: Program, docker: Docker) -> None:
    text = (PROJECT / "examples" / "sql" / "contract.sql").read_text()
    declare, _, rest = text.partition("-- 8.")
    asyncio.run(executed(panel, declare))
    until(
        lambda: program.get("service", "web", "--org", "sql-demo")["status"]["readyReplicas"] == 2,
        what="both replicas are ready",
    )
    told = asyncio.run(executed(panel, "-- 8." + rest))
    assert told == "DELETE 1"
    until(lambda: not left(docker, program), what="nothing is left")


async def executed(url: str, script: str) -> Any:
    connection = await asyncpg.connect(url.replace("@localhost/", "@/"))
    try:
        return await connection.execute(script)
    finally:
        await connection.close()
