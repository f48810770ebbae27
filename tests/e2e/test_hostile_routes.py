"""No value of a Domain leaves its route: refused with words, or served as exactly the literal, and
what the real Traefik has loaded is valid."""

from __future__ import annotations

import re

import pytest

from controller.ingress.binary import find_traefik
from tests.e2e.harness import short_directory
from tests.e2e.hostile_routes import HEADERS, Case, complaints, loaded, play, table, visit
from tests.e2e.stage import Stage, stage

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
]


def test_hostile_values() -> None:
    with short_directory() as place, stage(place) as made:
        played = play(made)
        print("\n" + table(played))
        for case, found in played:
            assert found.ready == bool(case.literal), (case, found)
            assert found.message, case
        parts = loaded(made)
        assert not any(parts.values()), parts
        assert complaints(made) == []
        names = {part.split("/", 1)[1] for part in parts}
        for case, found in played:
            assert any(f"-{case.name}-" in name for name in names) == found.ready, case
        for case, found in played:
            if found.ready:
                _serves(made, case)


def _serves(stage: Stage, case: Case) -> None:
    if case.user is not None:
        assert visit(stage, case).status_code == 401
        login = ("alice", case.user.encode())
        assert visit(stage, case, auth=login).status_code == 200, case
        return
    if re.fullmatch(r"to[0-9]+", case.name):
        where = {"HTTPS://A.example": "https://A.example/"}.get(case.literal, case.literal)
        assert visit(stage, case).headers["Location"] == where
        return
    answer = visit(stage, case)
    assert answer.status_code == 200, (case, answer)
    assert visit(stage, case, ".").status_code == 200, case
    if case.name == "headers":
        given = {name: value for name, value in HEADERS.items() if value}
        assert {name: answer.headers[name] for name in given} == given
