"""Which generation is in force; and the world's view of who is on a network or mounts a volume."""

from __future__ import annotations

from resources.effective import accepted, effective
from resources.labels import L_UID
from resources.meta import Entry, Key, Record, Resource
from resources.observed import Attachment, Container, Mount, Network, Volume
from resources.world import Scope, World


def entry(spec: object, generation: int, record: Record | None = None) -> Entry:
    resource = Resource(Key("Organization", "", "acme"), "u", spec, generation)  # type: ignore[arg-type]
    return Entry(resource, record or Record())


def test_the_newest_that_can_be_read_else_the_last_accepted() -> None:
    newest = effective(entry({"suspended": True}, 3))
    assert (newest.spec.suspended, newest.generation, newest.rejection) == (True, 3, None)
    earlier = Record(accepted_generation=2, accepted_spec={"plan": "small"})
    found = effective(entry({"plan": 5}, 3, earlier))
    assert (found.spec.plan, found.generation) == ("small", 2)
    assert found.rejection is not None
    unreadable = Record(accepted_generation=2, accepted_spec={"of": "another release"})
    assert effective(entry({"plan": 5}, 3, unreadable)).spec is None
    assert effective(entry({"plan": 5}, 3)).spec is None


def test_remembered_by_identity_only() -> None:
    one, other = entry({"plan": "a"}, 1), entry({"plan": "b"}, 1)
    assert effective(one) is effective(one)
    assert effective(one).spec.plan != effective(other).spec.plan


def test_what_was_accepted_is_read_once() -> None:
    record = Record(accepted_generation=2, accepted_spec={"plan": "small"})
    one, other = entry({"plan": 5}, 3, record), entry({"plan": 6}, 4, record)
    assert accepted(one) is accepted(other) is effective(one).spec is effective(other).spec


def container(id_: str, uid: str, *networks: str, volumes: tuple[str, ...] = ()) -> Container:
    return Container(
        id_,
        id_,
        {L_UID: uid},
        "i",
        "sha256:i",
        "running",
        networks=tuple(Attachment(n) for n in networks),
        mounts=tuple(Mount(v, "/x") for v in volumes),
    )


def test_the_scope_shows_who_is_attached_and_who_mounts() -> None:
    world = World()
    world.put_network(Network("n1", "net", {L_UID: "org"}))
    world.put_volume(Volume("vol", {L_UID: "v"}))
    for one in (container("a", "s", "n1"), container("b", "t", "n2", volumes=("vol",))):
        world.put_container(one)
    attached = Scope(uids=frozenset({"org"}), attached=frozenset({"org"}))
    assert {getattr(o, "id", o) for o in world.slice(attached)} == {"a", "n1"}
    mounting = Scope(volumes=frozenset({"vol"}), mounting=frozenset({"vol"}))
    assert {getattr(o, "name", o) for o in world.slice(mounting)} == {"b", "vol"}
    world.put_container(container("a", "s", "n2"))
    assert world.containers_on("n1") == ()
    assert len(world.containers_on("n2")) == 2
    world.drop_container("b")
    assert world.containers_mounting("vol") == ()
