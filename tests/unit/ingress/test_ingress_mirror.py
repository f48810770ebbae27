"""The mirror on virtual time: what it puts into the world, whom it wakes, and how often it asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager

import pytest

from controller.ingress.mirror import HASTE, IDLE, NOT_YET, Mirror
from controller.store.base import Deposed
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes, WithdrawRoutes
from resources.world import World
from tests.fakes.ingress import FakeIngress
from tests.sim.clockwork import SimClock
from tests.unit.ingress.virtual import running, until, virtually

UID, NAME, BACKEND = "22222222-service", "service_acme_web_22222222", "acme-web-22222222-80"
A, B = "http://10.0.0.1:80", "http://10.0.0.2:80"


class Counting(FakeIngress):
    looks = 0
    questions = 0
    counted = 0
    missed = 0
    """Readings from now on that see nothing."""

    async def open_connections(self, urls):  # type: ignore[no-untyped-def]
        self.counted += 1
        if self.missed:
            self.missed -= 1
            return dict.fromkeys(urls, 0)
        return await super().open_connections(urls)

    async def look(self):  # type: ignore[no-untyped-def]
        self.looks += 1
        return await super().look()

    async def serve(self, name, marker):  # type: ignore[no-untyped-def]
        self.questions += 1
        return await super().serve(name, marker)


class Bed:
    def __init__(self, *, proxies: int = 1, delay: float = 0.2) -> None:
        self.world = World()
        self.woken = Counter[str]()
        self.troubles = 0
        self.ingress = Counting(proxies=proxies, delay=lambda: delay)
        self.mirror = Mirror(
            self.ingress,
            self.ingress,
            lambda: self.world,
            SimClock(),
            lambda uid: self.woken.update([uid]),
            self._troubled,
        )

    def _troubled(self) -> None:
        self.troubles += 1

    async def publish(self, *urls: str) -> None:
        balancer = {"servers": [{"url": url} for url in urls]}
        content = {"http": {"services": {BACKEND: {"loadBalancer": balancer}}}}
        step = PublishRoutes(document=Document(UID, NAME, content), cause="test")
        await self.mirror.publish(step)

    def everywhere(self) -> frozenset[str]:
        found = self.world.serving.get(UID)
        return found.everywhere.get(BACKEND, frozenset()) if found else frozenset()

    def runs(self) -> AbstractAsyncContextManager[None]:
        return running(self.mirror.run())


def test_published_is_not_served_until_every_proxy_says_so() -> None:
    async def story() -> None:
        bed = Bed(proxies=2)
        async with bed.runs():
            await bed.publish(A)
            assert bed.world.published[UID].name == NAME
            assert bed.woken[UID] == 1
            assert not bed.everywhere()
            assert await until(lambda: bed.everywhere() == {A}) < 0.5
            bed.ingress.deaf = {1}
            await bed.publish(B)
            await asyncio.sleep(5)
            assert bed.everywhere() == frozenset()
            assert bed.world.serving[UID].anywhere[BACKEND] == {A, B}
            bed.ingress.hears_again(1)
            await until(lambda: bed.everywhere() == {B})

    virtually(story)


def test_what_was_served_before_acknowledges_nothing() -> None:
    """Published, replaced and published again before the proxies have loaded anything: they still
    show what they had, which says the same and is not yet what was published last."""

    async def story() -> None:
        bed = Bed(delay=1.0)
        async with bed.runs():
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            await bed.publish(A, B)
            await bed.publish(A)
            await asyncio.sleep(0.5)
            assert not bed.world.serving[UID].current
            await until(lambda: bed.world.serving[UID].current)
            assert B in bed.world.serving[UID].left

    virtually(story)


def test_a_reading_that_misses_a_connection_drains_nobody() -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish(A, B)
            await until(lambda: bed.everywhere() == {A, B})
            bed.ingress.connections[A] = 1
            await bed.publish(B)
            await until(lambda: bed.world.serving[UID].open.get(A) == 1)
            for _ in range(5):
                bed.ingress.missed = 3
                await until(lambda: bed.ingress.missed == 0)
                await asyncio.sleep(0.2)
                assert bed.world.serving[UID].open == {A: 1}

    virtually(story)


def test_a_server_that_left_is_drained_when_nobody_is_connected() -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish(A, B)
            await until(lambda: bed.everywhere() == {A, B})
            bed.ingress.connections[A] = 2
            await bed.publish(B)
            await until(lambda: bed.world.serving[UID].open.get(A) == 2)
            woken = bed.woken[UID]
            bed.ingress.connections[A] = 0
            assert await until(lambda: bed.world.serving[UID].open.get(A) == 0) < 0.5
            assert bed.woken[UID] == woken + 1
            assert A in bed.world.serving[UID].left

    virtually(story)


def test_at_rest_nobody_is_woken_and_little_is_asked() -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            bed.woken.clear()
            looks, questions, held = (
                bed.ingress.looks,
                bed.ingress.questions,
                bed.world.serving[UID],
            )
            await asyncio.sleep(60)
            assert bed.woken == {}
            assert bed.ingress.questions == questions
            assert bed.ingress.looks - looks <= 60 / IDLE + 1
            assert bed.world.serving[UID] is held
            assert bed.mirror.settled

    virtually(story)


def test_what_never_comes_is_awaited_eagerly_only_for_a_while() -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await until(lambda: not bed.mirror.problem)
            bed.ingress.deaf = {0}
            await bed.publish(A)
            assert not bed.mirror.settled
            await asyncio.sleep(HASTE + 1)
            questions = bed.ingress.questions
            assert questions > 100
            await asyncio.sleep(60)
            assert bed.ingress.questions == questions
            assert bed.mirror.settled

    virtually(story)


def test_an_edit_and_a_removal_behind_our_back_wake_the_owner() -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            woken = bed.woken[UID]
            bed.ingress.edit(NAME)
            await until(lambda: bed.world.published[UID].digest == "", 2.0)
            assert bed.woken[UID] > woken
            bed.ingress.remove(NAME)
            await until(lambda: UID not in bed.world.published, 2.0)
            await until(lambda: not bed.everywhere(), 5.0)

    virtually(story)


def test_who_cannot_be_asked_is_a_problem_and_changes_nothing_that_is_known() -> None:
    async def story() -> None:
        bed = Bed()
        assert bed.mirror.problem == NOT_YET
        async with bed.runs():
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            troubles, held = bed.troubles, bed.world.serving[UID]
            bed.ingress.away = "it burns"
            await until(lambda: bed.mirror.problem == "it burns", 5.0)
            assert bed.world.serving[UID] is held
            await asyncio.sleep(20)
            bed.ingress.away = ""
            await until(lambda: not bed.mirror.problem, 2.0)
            assert bed.troubles == troubles + 2

    virtually(story)


def test_a_controller_that_starts_finds_what_is_there() -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
        other = Bed()
        other.ingress = bed.ingress
        other.mirror = Mirror(
            bed.ingress, bed.ingress, lambda: other.world, SimClock(), lambda _: None
        )
        async with other.runs():
            await until(lambda: other.everywhere() == {A}, 1.0)
            assert other.world.published == bed.world.published

    virtually(story)


def test_what_is_withdrawn_is_forgotten_when_no_proxy_has_it() -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish()
            await until(lambda: (found := bed.world.serving.get(UID)) and found.anywhere)
            bed.ingress.deaf = {0}
            await bed.mirror.withdraw(WithdrawRoutes(uid=UID, name=NAME, cause="test"))
            assert UID not in bed.world.published
            await asyncio.sleep(3)
            assert BACKEND in bed.world.serving[UID].anywhere
            bed.ingress.hears_again(0)
            await until(lambda: UID not in bed.world.serving)

    virtually(story)


@pytest.mark.parametrize("many", [1, 30])
def test_many_at_once_come_with_few_questions(many: int) -> None:
    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            for number in range(many):
                uid = f"{number:08x}-x"
                document = Document(uid, f"service_a_b_{uid[:8]}", {"http": {}})
                await bed.mirror.publish(PublishRoutes(document=document, cause="test"))
            await until(lambda: len(bed.world.serving) == many, 5.0)
            assert bed.ingress.questions + bed.ingress.looks < 30

    virtually(story)


def test_what_somebody_removed_is_told_from_what_we_took_back() -> None:
    """Also once no proxy serves it any more."""

    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            await bed.mirror.withdraw(WithdrawRoutes(uid=UID, name=NAME, cause="test"))
            await until(lambda: not bed.everywhere())
            assert not bed.world.serving[UID].removed
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            bed.ingress.remove(NAME)
            await until(lambda: UID not in bed.world.published and not bed.everywhere())
            assert bed.world.serving[UID].removed
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            assert not bed.world.serving[UID].removed

    virtually(story)


def test_between_two_terms_all_may_have_changed() -> None:
    """Another controller has published meanwhile, and one that heard nothing has gone."""

    async def story() -> None:
        bed = Bed()
        async with bed.runs():
            await bed.publish(A)
            await until(lambda: bed.everywhere() == {A})
            bed.ingress.deaf = {0}
            await bed.publish(B)
            await asyncio.sleep(HASTE)
            assert bed.mirror.deaf
            assert bed.mirror.informed
        bed.mirror.rest()
        assert not bed.mirror.deaf
        assert bed.mirror.unread
        await asyncio.sleep(600)
        await bed.ingress.withdraw(WithdrawRoutes(uid=UID, name=NAME, cause="another"))
        bed.ingress.hears_again(0)
        troubles = bed.troubles
        await bed.mirror.read_shelf()
        assert not bed.mirror.unread
        assert UID not in bed.world.published
        assert bed.troubles == troubles + 1
        assert not bed.mirror.informed
        async with bed.runs():
            assert not bed.mirror.deaf
            await until(lambda: bed.mirror.informed and not bed.everywhere(), 1.0)
            assert not bed.mirror.deaf

    virtually(story)


def test_one_that_nobody_can_ask_informs_nobody_for_long() -> None:
    async def story() -> None:
        bed = Bed()
        bed.ingress.away = "it burns"
        async with bed.runs():
            await asyncio.sleep(HASTE / 2)
            assert not bed.mirror.informed
            await until(lambda: bed.mirror.informed, HASTE)

    virtually(story)


def test_what_waited_for_its_turn_until_the_term_was_over_is_not_published() -> None:
    async def story() -> None:
        bed, epoch = Bed(), 1
        mirror = Mirror(
            bed.ingress, bed.ingress, World, SimClock(), lambda _: None, epoch=lambda: epoch
        )
        async with mirror._lock:
            step = PublishRoutes(document=Document(UID, NAME, {"http": {}}), cause="test")
            steps = [
                asyncio.create_task(mirror.publish(step)),
                asyncio.create_task(
                    mirror.withdraw(WithdrawRoutes(uid=UID, name=NAME, cause="test"))
                ),
            ]
            await asyncio.sleep(1)
            epoch = 2
        for asked in steps:
            with pytest.raises(Deposed):
                await asked
        assert not bed.ingress.writes

    virtually(story)


def test_connections_are_not_counted_for_longer_than_anybody_waits() -> None:
    """The address may have become another container's, whose visitors stay."""

    async def story() -> None:
        bed = Bed()
        bed.mirror = Mirror(
            bed.ingress, bed.ingress, lambda: bed.world, SimClock(), lambda _: None,
            drain=lambda uid: 10.0 if uid == UID else 0.0,
        )  # fmt: skip
        async with bed.runs():
            await bed.publish(A, B)
            await until(lambda: bed.everywhere() == {A, B})
            bed.ingress.connections[A] = 2
            await bed.publish(B)
            await until(lambda: bed.world.serving[UID].open.get(A) == 2)
            await asyncio.sleep(8)
            counted = bed.ingress.counted
            assert counted > 10
            bed.ingress.connections[A] = 1
            await until(lambda: bed.world.serving[UID].open.get(A) == 1, 1.0)
            await asyncio.sleep(4)
            counted = bed.ingress.counted
            await asyncio.sleep(60)
            assert bed.ingress.counted == counted

    virtually(story)
