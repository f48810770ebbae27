"""Who waits for a foreign object is woken when it is gone, and not before."""

from __future__ import annotations

from controller.reconcile.obstructions import Obstructions
from resources.errors import UserError
from resources.meta import Key
from resources.observed import Volume
from resources.world import World

KEY = Key("Volume", "acme", "data")


def conflict(name: str) -> UserError:
    return UserError("RESOURCE_CONFLICT", "in the way", details={"volume": name})


def world(*names: str) -> World:
    found = World()
    for name in names:
        found.put_volume(Volume(name=name, labels={}))
    return found


def test_woken_when_the_name_is_free() -> None:
    obstructions = Obstructions()
    obstructions.note(KEY, conflict("v"))
    assert obstructions.freed(world("v"), "volume", "v") == ()
    assert obstructions.freed(world(), "network", "v") == ()
    assert obstructions.freed(world(), "volume", "v") == (KEY,)


def test_the_newest_pass_counts() -> None:
    obstructions = Obstructions()
    obstructions.note(KEY, conflict("v"))
    obstructions.note(KEY, conflict("w"))
    assert obstructions.freed(world(), "volume", "v") == ()
    assert obstructions.freed(world(), "volume", "w") == (KEY,)
    obstructions.note(KEY, None)
    assert obstructions.freed(world(), "volume", "w") == ()


def test_other_problems_wait_for_nothing() -> None:
    obstructions = Obstructions()
    obstructions.note(KEY, UserError("STORAGE_VOLUME_LOST", "gone", details={"volume": "v"}))
    assert obstructions.freed(world(), "volume", "v") == ()
