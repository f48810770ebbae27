"""What destroys is asked for: on a terminal by a question, without one by --yes."""

from __future__ import annotations

import pytest

from resources.meta import Key, Manifest
from tests.unit.cli.conftest import Answers, Run
from tests.unit.site import Site


def test_purge_asks_first(skyctl: Run, site: Site, answers: Answers) -> None:
    home, key = Key("Organization", "", "purged"), Key("Volume", "purged", "data")
    site.apply(Manifest(home, {}), Manifest(key, {"size": "1Gi"}))
    site.until(lambda: site.settled(key))
    site.call(site.store.delete(key, source="api"))
    site.until(lambda: key not in site.database.entries)
    listing = skyctl("purge", "--org", "purged")
    assert listing.lines[0].split() == ["ORGANIZATION", "VOLUME", "EXPIRES", "IN", "UID"]
    name = listing.lines[1].split()[1]
    for words in (("--all",), (name,)):
        for said in (None, "y\n"):  # a pipe is nobody's answer
            answers(said, terminal=False)
            ran = skyctl("purge", *words)
            assert ran.code == 2
            assert "error: CONFIGURATION_UNCONFIRMED: " in ran.err
            assert "try: give --yes" in ran.err
    answers("n\n", terminal=True)
    ran = skyctl("purge", name)
    assert (ran.code, ran.out) == (1, "")
    assert name in ran.err
    assert [item.purged_by for item in site.call(site.store.retained())] == [None]
    answers(None, terminal=False)
    ran = skyctl("purge", name, "--yes")
    assert ran.code == 0
    assert ran.lines[-1] == f"{name} is being removed"
    site.until(lambda: site.engine.world.volume(name) is None)


def test_guard_approve_asks_first(skyctl: Run, site: Site, answers: Answers) -> None:
    epoch = site.database.epoch
    held = site.call(site.store.hold("manifest:y", ["Service/a/c"], 9, "h", epoch=epoch))
    ran = skyctl("guard", "approve", held.id)
    assert ran.code == 2
    assert "CONFIGURATION_UNCONFIRMED" in ran.err
    answers("n\n", terminal=True)
    ran = skyctl("guard", "approve", held.id)
    assert (ran.code, ran.out) == (1, "")
    assert "Service/a/c" in ran.err
    answers("y\n", terminal=True)
    assert skyctl("guard", "approve", held.id).lines == [f"{held.id} approved: 1 will be deleted"]


@pytest.mark.parametrize("words", [("org/whole",), ("organizations", "whole"), ("ORG/whole",)])
def test_a_whole_customer_is_not_deleted_unasked(
    skyctl: Run, site: Site, answers: Answers, words: tuple[str, ...]
) -> None:
    home = Key("Organization", "", "whole")
    site.apply(
        Manifest(home, {"deletion": {"retainVolumes": "2d"}}),
        Manifest(Key("Service", "whole", "web"), {"image": "nginx:1"}),
        Manifest(Key("Volume", "whole", "kept"), {}),
        Manifest(Key("Volume", "whole", "short"), {"deletionPolicy": "Expire"}),
        Manifest(Key("Volume", "whole", "gone"), {"deletionPolicy": "Delete"}),
    )
    ran = skyctl("delete", *words)
    assert (ran.code, ran.out) == (2, "")
    assert "error: CONFIGURATION_UNCONFIRMED" in ran.err
    answers("\n", terminal=True)
    ran = skyctl("delete", *words)
    assert (ran.code, ran.out) == (1, "")
    assert "organization whole goes with all in it: 3 Volumes, 1 Service" in ran.err
    told = {line.split()[0]: line for line in ran.err.splitlines() if "volume/" in line}
    assert told["volume/kept"].endswith("data kept until skyctl purge")
    assert "data kept until 20" in told["volume/short"]
    assert told["volume/gone"].endswith("removed with its data")
    assert not site.database.entries[home].resource.deleting


def test_a_whole_customer_is_deleted_when_somebody_says_so(
    skyctl: Run, site: Site, answers: Answers
) -> None:
    for name, said in (("bye", "yes\n"), ("farewell", None)):
        site.apply(Manifest(Key("Organization", "", name), {}))
        answers(said, terminal=said is not None)
        ran = skyctl("delete", f"org/{name}", *(() if said else ("--yes",)))
        assert ran.lines == [f"organization/{name} deletion requested"]
