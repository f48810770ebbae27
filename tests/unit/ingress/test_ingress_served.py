"""From what proxies show to what is served for one owner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controller.ingress.base import Marker, Shelved, Sight
from controller.ingress.connections import open_connections, server_of
from controller.ingress.served import (
    OUTDATED,
    REMEMBERED,
    SETTLING,
    Names,
    counted,
    draining,
    owned,
    serving,
    settled,
)
from resources.routing.world import Published, Serving

NOW = datetime(2030, 1, 1, tzinfo=UTC)
UID = "11111111-a"
NAME = "service_acme_web_11111111"
BACKEND = "acme-web-11111111-80"
A, B = "http://10.0.0.1:80", "http://10.0.0.2:80"


def shelved(digest: str = "d1", *, routers: tuple[str, ...] = ()) -> Shelved:
    return Shelved(Published(UID, NAME, digest), frozenset(routers), frozenset({BACKEND}))


def sight(*urls: str, digest: str = "d1", routers: dict[str, str] | None = None) -> Sight:
    return Sight(routers or {}, {BACKEND: frozenset(urls)}, {NAME: Marker(UID, digest)})


def seen(
    *sights: Sight, before: Serving | None = None, at: float = 0.0, shelf: Shelved | None = None
) -> Serving:
    shelf = shelf or shelved()
    names = owned({UID: shelf}, sights)[UID]
    return serving(UID, names, shelf, sights, before, NOW + timedelta(seconds=at))


def test_everywhere_is_what_every_proxy_has_and_anywhere_what_one_has() -> None:
    found = seen(sight(A, B), sight(B))
    assert found.everywhere == {BACKEND: {B}}
    assert found.anywhere == {BACKEND: {A, B}}


def test_a_proxy_that_lacks_the_backend_serves_none_of_it() -> None:
    found = seen(sight(A), Sight())
    assert found.everywhere == {BACKEND: frozenset()}
    assert found.anywhere == {BACKEND: {A}}


def test_a_router_is_served_when_every_proxy_has_this_version_of_it() -> None:
    shelf = shelved(routers=("r",))
    well, old, ill = (
        sight(A, routers={"r": ""}),
        sight(A, digest="d0", routers={"r": ""}),
        sight(A, routers={"r": "no such service"}),
    )
    assert seen(well, well, shelf=shelf).routers == {"r": ""}
    assert seen(well, old, shelf=shelf).routers == {"r": OUTDATED}
    assert seen(well, ill, shelf=shelf).routers == {"r": "no such service"}
    assert seen(well, sight(A), shelf=shelf).routers == {}


def test_a_server_that_left_is_remembered_until_it_comes_back_or_an_hour_has_passed() -> None:
    one = seen(sight(A, B))
    two = seen(sight(B), before=one, at=1)
    assert two.left == {A: NOW + timedelta(seconds=1)}
    assert two.since == one.since
    assert seen(sight(B), before=two, at=5).left == two.left
    assert seen(sight(A, B), before=two, at=5).left == {}
    late = REMEMBERED.total_seconds() + 2
    assert seen(sight(B), before=two, at=late).left == {}


def test_connections_count_a_moment_after_the_server_left() -> None:
    left = seen(sight(), before=seen(sight(A)), at=1)
    assert draining(left, NOW) == {A}
    soon, later = (NOW + timedelta(seconds=1) + SETTLING * n for n in (0.5, 1.5))
    assert (settled(left, soon), settled(left, later)) == (frozenset(), {A})
    busy = counted(left, {A: 3}, later)
    assert (busy.open, draining(busy, NOW)) == ({A: 3}, {A})
    drained = counted(busy, {A: 0}, later)
    assert (drained.open, draining(drained, NOW)) == ({A: 0}, frozenset())
    assert counted(left, {}, later) is left
    assert seen(sight(), before=drained, at=3).open == {A: 0}
    assert seen(sight(A), before=drained, at=3).open == {}


def test_what_is_served_and_no_longer_published_is_its_owners_by_its_name() -> None:
    stray = Sight(
        {"acme-site-11111111-secure": "", "other-site-22222222": ""},
        {BACKEND: frozenset({A}), "acme-web-22222222-80": frozenset()},
        {NAME: Marker(UID, "d1")},
    )
    found = owned({}, [stray])
    assert found == {UID: Names(frozenset({"acme-site-11111111-secure"}), frozenset({BACKEND}))}
    assert serving(UID, found[UID], None, [stray], None, NOW).routers == {
        "acme-site-11111111-secure": ""
    }


def test_nothing_is_the_owners_when_no_proxy_runs() -> None:
    found = serving(UID, Names(frozenset(), frozenset({BACKEND})), shelved(), [], None, NOW)
    assert (found.everywhere, found.anywhere, found.routers) == ({}, {}, {})


def test_the_kernels_table_is_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    four, six = tmp_path / "tcp", tmp_path / "tcp6"
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
    four.write_text(
        head
        + "   0: 0100007F:1F90 0100000A:0050 01 00000000:00000000 00:00000000\n"
        + "   1: 0100007F:1F91 0100000A:0050 06 00000000:00000000 00:00000000\n"
        + "   2: 0100007F:1F92 0200000A:0050 01 00000000:00000000 00:00000000\n"
    )
    six.write_text(
        head
        + "   0: 00000000000000000000000000000000:0 0000000000000000FFFF00000100000A:0050 01 0\n"
    )
    urls = frozenset({A, "http://10.0.0.9:80", "http://name:80"})
    assert open_connections(urls, (four, six)) == {A: 2, "http://10.0.0.9:80": 0}
    assert open_connections(urls, (tmp_path / "none",)) == {}


def test_servers_are_addresses() -> None:
    assert server_of("http://10.0.0.1:8080") == ("10.0.0.1", 8080)
    assert server_of("http://10.0.0.1") == ("10.0.0.1", 80)
    assert server_of("http://[fd00::1]:80") == ("fd00::1", 80)
    assert server_of("http://web:80") is None


def test_a_server_that_was_published_between_two_looks_has_left_too() -> None:
    """Published and replaced before anybody looked: requests may have gone there."""
    before = seen(sight(A))
    told, shelf, late = (
        frozenset({A, B}),
        Shelved(Published(UID, NAME, "d2", frozenset({A})), frozenset(), frozenset({BACKEND})),
        NOW + timedelta(seconds=1),
    )
    names = Names(backends=frozenset({BACKEND}))
    stale = serving(UID, names, shelf, [sight(A)], before, late, told)
    assert not stale.current
    assert stale.left == {}
    fresh = serving(UID, names, shelf, [sight(A, digest="d2")], stale, late, told)
    assert fresh.current
    assert fresh.left == {B: late}
