"""No two resources share a name, and every name is one that the engine accepts."""

from __future__ import annotations

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from resources.naming import container_name, network_name, volume_name

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
SHORT = st.from_regex(r"[a-z0-9]([-a-z]?[a-z0-9]){0,3}", fullmatch=True)
NAMES = st.tuples(LABEL | SHORT, LABEL | SHORT)
UIDS = st.uuids().map(str)
ENGINE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@given(NAMES, NAMES, st.integers(0, 99))
def test_different_services_have_different_containers(
    one: tuple[str, str], other: tuple[str, str], ordinal: int
) -> None:
    assume(one != other)
    revision = "v1:abcdef123456"
    names = {container_name(*pair, ordinal, revision) for pair in (one, other)}
    assert len(names) == 2


@given(NAMES, NAMES, UIDS)
def test_different_volumes_have_different_names(
    one: tuple[str, str], other: tuple[str, str], uid: str
) -> None:
    assume(one != other)
    assert volume_name(*one, uid) != volume_name(*other, uid)


@given(NAMES, UIDS, st.integers(0, 99))
def test_the_engine_accepts_them(names: tuple[str, str], uid: str, ordinal: int) -> None:
    for name in (
        container_name(*names, ordinal, "v1:abcdef"),
        network_name(names[0], uid),
        volume_name(*names, uid),
    ):
        assert len(name) <= 63
        assert ENGINE.fullmatch(name)


@given(NAMES, UIDS)
def test_shortened_and_whole_names_cannot_meet(names: tuple[str, str], uid: str) -> None:
    whole = f"skypanel_{names[0]}_{names[1]}_{uid[:8]}"
    name = volume_name(*names, uid)
    assert ("__" in name) == (len(whole) > 63)
