"""Everybody has his turn, in equal shares."""

from __future__ import annotations

from controller.engine.round_robin import RoundRobin


def test_five_fifths_are_everybody_once() -> None:
    names = [f"n{number}" for number in range(12)]
    rotation = RoundRobin(lambda: names)
    taken = [rotation.take(0.2, names) for _ in range(5)]
    assert sorted(name for some in taken for name in some) == sorted(names)
    assert {len(some) for some in taken} == {2, 3}


def test_small_shares_add_up() -> None:
    names = ["a", "b", "c"]
    rotation = RoundRobin(lambda: names)
    taken = [name for _ in range(10) for name in rotation.take(0.1, names)]
    assert len(taken) in (2, 3)


def test_nobody_is_taken_twice_at_once_and_who_left_not_at_all() -> None:
    names = ["a", "b", "c"]
    rotation = RoundRobin(lambda: list(names))
    assert rotation.take(0.4, names) == ["a"]
    names.remove("b")
    assert sorted(rotation.take(1.0, names)) == ["a", "c"]
    names.clear()
    assert rotation.take(1.0, names) == []


def test_without_anybody_there_is_no_turn() -> None:
    assert RoundRobin(list).take(1.0, ()) == []
