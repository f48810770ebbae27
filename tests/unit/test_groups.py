"""An index of who belongs to what."""

from __future__ import annotations

from resources.groups import Groups


def test_members_stay_in_their_order_and_a_key_without_any_goes() -> None:
    groups: Groups[str, int] = Groups()
    for member in (3, 1, 3):
        groups.add("a", member)
    assert list(groups.of("a")) == [3, 1]
    groups.discard("a", 3)
    groups.discard("a", 7)
    groups.discard("b", 1)
    assert list(groups.of("a")) == [1]
    groups.discard("a", 1)
    assert list(groups.of("a")) == []
    assert groups == {}
