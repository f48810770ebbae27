"""Names on the engine."""

from __future__ import annotations

from resources.meta import Entry, Key, Record, Resource
from resources.naming import (
    bridge_name,
    container_name,
    network_name,
    volume_identity,
    volume_name,
)

UID = "3f2a9c01-58d4-4c1b-9d1e-0a7b6c5d4e3f"


def test_as_in_the_contract() -> None:
    assert container_name("acme", "web", 0, "v1:5be01d77aa") == "acme_web_0_5be01d"
    assert container_name("acme", "web", 0, "5be01d77aa") == "acme_web_0_5be01d"
    assert network_name("acme", UID) == "skypanel_acme_3f2a9c01"
    assert volume_name("acme", "data", UID) == "skypanel_acme_data_3f2a9c01"
    assert bridge_name(UID) == "sky3f2a9c0158"
    assert len(bridge_name(UID)) <= 15


def test_past_63_characters_the_middle_is_shortened() -> None:
    name = container_name("a" * 63, "b" * 63, 12, "v1:abcdef99")
    assert name == "aaaaaaaaaaaaaaaaaaaa__5034f2a70a__bbbbbbbbbbbbbbbbbbb_12_abcdef"
    assert len(name) == 63


def test_names_that_differ_only_in_the_middle_stay_apart() -> None:
    one = volume_name("a" * 30, "b" * 20 + "x" + "b" * 20, UID)
    other = volume_name("a" * 30, "b" * 20 + "y" + "b" * 20, UID)
    assert one != other
    assert one.startswith("skypanel_aaa")
    assert one.endswith("b_3f2a9c01")


def test_a_volume_is_what_is_recorded_else_what_will_be_made() -> None:
    resource = Resource(Key("Volume", "acme", "data"), UID, {})
    assert volume_identity(Entry(resource)) == ("skypanel_acme_data_3f2a9c01", UID)
    adopted = Record(volume_created=True, volume_name="old", volume_label_uid="old-uid")
    assert volume_identity(Entry(resource, adopted)) == ("old", "old-uid")
