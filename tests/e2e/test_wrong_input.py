"""Every wrong input says where, what and what to do, through every door."""

from __future__ import annotations

import pytest

from tests.e2e import fleet
from tests.e2e.harness import Docker, Program
from tests.e2e.wrong_input import answers

pytestmark = [pytest.mark.docker, pytest.mark.postgres]


def test_each_door_says_where_and_what(program: Program, docker: Docker, image: str) -> None:
    program.start()
    program.sql(fleet.organization("wrong"), fleet.service("wrong", "good", image), "SELECT 1")
    fleet.converge(program)
    before = {c["Id"] for c in docker.containers(program.label)}
    mute = [
        f"{door}: {wrong.title}: {said}"
        for wrong, door, said in answers(program)
        if wrong.where.lower() not in said.lower()
    ]
    assert not mute
    assert {c["Id"] for c in docker.containers(program.label)} == before
    fleet.converge(program)
