"""Cutting subnets from a pool."""

from __future__ import annotations

import ipaddress
import time

import pytest

from resources.subnets import choose, overlaps


def test_deterministic_and_in_the_pool() -> None:
    first = choose("10.128.0.0/9", 24, [], "uid-1")
    assert first == choose("10.128.0.0/9", 24, [], "uid-1")
    assert ipaddress.IPv4Network(first).subnet_of(ipaddress.IPv4Network("10.128.0.0/9"))
    assert first != choose("10.128.0.0/9", 24, [], "uid-2")


def test_the_last_free_one_is_found_wherever_the_search_starts() -> None:
    taken = [f"10.0.{i}.0/24" for i in range(16) if i != 5]
    for seed in "abcdefgh":
        assert choose("10.0.0.0/20", 24, taken, seed) == "10.0.5.0/24"


def test_exhausted() -> None:
    assert choose("10.0.0.0/23", 24, ["10.0.0.0/24", "10.0.1.128/25"], "x") is None
    assert choose("10.0.0.0/24", 24, ["10.0.0.0/8"], "x") is None


@pytest.mark.parametrize("route", ["0.0.0.0/0", "0.0.0.0/1", "fd00::/8", "default", "", "::/0"])
def test_default_routes_and_other_families_are_in_nobodys_way(route: str) -> None:
    assert choose("10.0.0.0/24", 24, [route], "x") == "10.0.0.0/24"


def test_routes_of_any_size_are_respected() -> None:
    taken = ["10.0.0.0/22", "10.0.4.17/32", "10.0.5.1/24", "10.0.6.0/25", "9.0.0.0/8"]
    assert choose("10.0.0.0/21", 24, taken, "x") == "10.0.7.0/24"


def test_a_pool_too_small_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        choose("10.0.0.0/26", 24, [], "x")
    with pytest.raises(ValueError):  # noqa: PT011
        choose("nonsense", 24, [], "x")


def test_thousands_taken_are_quick() -> None:
    taken: list[str] = []
    for index in range(500):
        taken.append(choose("10.128.0.0/9", 24, taken, str(index)) or "")
    assert len(set(taken)) == 500
    crowd = [f"10.{128 + i // 256}.{i % 256}.0/24" for i in range(20_000)]
    began = time.perf_counter()
    assert choose("10.128.0.0/9", 24, crowd, "seed") is not None
    assert time.perf_counter() - began < 2.0


def test_overlaps() -> None:
    assert overlaps("10.0.0.0/8", "10.1.2.0/24")
    assert not overlaps("10.0.0.0/24", "10.0.1.0/24")
    assert not overlaps("10.0.0.0/24", "fd00::/8")
