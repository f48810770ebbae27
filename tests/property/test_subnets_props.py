"""Subnets never overlap anything; one is found whenever one is free."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from resources.subnets import choose, overlaps

POOL = ipaddress.IPv4Network("10.20.0.0/18")
CIDRS = st.builds(
    lambda address, prefix: str(ipaddress.IPv4Network((address, prefix), strict=False)),
    st.integers(int(POOL.network_address) - 4096, int(POOL.broadcast_address) + 4096),
    st.integers(18, 32),
)


@given(st.lists(CIDRS, max_size=40), st.integers(20, 28), st.text(max_size=8))
def test_free_or_none_left(taken: list[str], prefix: int, seed: str) -> None:
    found = choose(str(POOL), prefix, taken, seed)
    if found is None:
        free = [c for c in POOL.subnets(new_prefix=prefix) if not _hit(str(c), taken)]
        assert free == []
    else:
        assert ipaddress.IPv4Network(found).subnet_of(POOL)
        assert not _hit(found, taken)


@given(st.lists(CIDRS, max_size=20), st.randoms(), st.text(max_size=8))
def test_the_order_of_what_is_taken_is_irrelevant(taken: list[str], random, seed: str) -> None:  # type: ignore[no-untyped-def]
    shuffled = taken.copy()
    random.shuffle(shuffled)
    assert choose(str(POOL), 24, taken, seed) == choose(str(POOL), 24, shuffled, seed)


@given(st.integers(1, 64))
def test_a_row_of_choices_never_overlaps(count: int) -> None:
    taken: list[str] = []
    for index in range(count):
        found = choose(str(POOL), 24, taken, f"uid-{index}")
        assert found is not None
        assert not _hit(found, taken)
        taken.append(found)


def _hit(one: str, taken: list[str]) -> bool:
    return any(overlaps(one, other) for other in taken)
