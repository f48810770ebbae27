"""The image policy in the real program: a command decides which images run."""

from __future__ import annotations

import shlex
import sys

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program, until

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

JUDGE = """
import json, sys
asked = json.load(sys.stdin)
refused = asked["service"] == "shady" or not asked["image"]["id"].startswith("sha256:")
print(json.dumps({"allowed": not refused, "reason": "not of ours"}))
"""


def test_what_the_policy_refuses_does_not_run(program: Program, docker: Docker, image: str) -> None:
    """Under a tag of its own, since verdicts are remembered by image and reference."""
    repository, _, tag = image.rpartition(":")
    shady = f"{repository}-{program.state_dir.parent.name.lower()}:{tag}"
    docker.call(
        "POST",
        f"/images/{image}/tag",
        params={"repo": shady.rpartition(":")[0], "tag": tag},
    )
    program.state_dir.mkdir(parents=True, exist_ok=True)
    judge = program.state_dir.parent / "judge.py"
    judge.write_text(JUDGE)
    program.env["SKYCTL_IMAGE_POLICY"] = shlex.join([sys.executable, str(judge)])
    try:
        program.start()
        program.sql(
            fleet.organization("policy"),
            fleet.service("policy", "fine", image),
            fleet.service("policy", "shady", shady),
            "SELECT 1",
        )
        until(
            lambda: (
                program.get("service", "fine", "--org", "policy")["status"]["phase"] == "Running"
            )
        )
        error = until(lambda: program.get("service", "shady", "--org", "policy")["status"]["error"])
        assert error["code"] == "IMAGE_POLICY_DENIED"
        assert error["message"] == f"the image policy refuses {shady}: not of ours"
        names = {c["Labels"]["io.skypanel.name"] for c in docker.containers(program.label)}
        assert names == {"fine"}
    finally:
        docker.call("DELETE", f"/images/{shady}", ok=(404,))
