"""Deletions that are held until a person decides."""

from __future__ import annotations

from resources.meta import ANNOTATION_PROTECT, Manifest
from tests.unit.manifests.directory import (
    Desk,
    key,
    outlast,
    service,
    services,
    until,
)
from tests.unit.manifests.ten_files import NAMES, held, remove, ten_files


async def test_too_much_at_once_is_held_as_one_batch(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:6])
        await held(desk, source)
        assert source.held is not None
        assert source.held.items == tuple(f"Service/acme/{name}" for name in NAMES[:6])
        assert source.held.total == 10
        assert desk.codes() == {"RESOURCE_DELETIONS_HELD"}
        desk.write("s9.yaml", service("s9", "nginx:2"))
        await until(lambda: desk.image("s9") == "nginx:2", "changes go on")
        await outlast(desk, source)
        assert (desk.rows, desk.held_states) == (set(NAMES), ["held"])


async def test_few_at_once_are_not_held(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running():
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:4])
        await until(lambda: desk.leaving == set(NAMES[:4]))
        assert desk.operations["hold"] == 0


async def test_approved(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:6])
        await desk.store.decide(await held(desk, source), "approved")
        await until(lambda: desk.leaving == set(NAMES[:6]))
        await until(lambda: desk.held_states == [] and source.problems == ())
        assert desk.rows == set(NAMES[6:])


async def test_approval_survives_being_interrupted(desk: Desk) -> None:
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES[:6])
    report = await desk.source.sync_once()
    assert report.held is not None
    await desk.store.decide(report.held.id, "approved")
    for name in NAMES[:3]:  # so far the deletion came
        await desk.store.delete(key(name), source="manifest:main")
    await desk.clear()
    report = await desk.another().sync_once()
    assert {k.name for k in report.deleted} == set(NAMES[3:6])
    assert desk.held_states == []


async def test_discarded_is_silent_until_the_set_changes(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES[:6])
        await desk.store.decide(await held(desk, source), "discarded")
        await until(lambda: source.held is None and source.problems == ())
        await outlast(desk, source)
        assert (desk.rows, desk.held_states) == (set(NAMES), ["discarded"])
        remove(desk, NAMES[6])
        await held(desk, source)
        await until(lambda: desk.held_states == ["held"])
        assert desk.rows == set(NAMES)


async def test_documents_that_come_back_end_the_question(desk: Desk) -> None:
    ten_files(desk)
    async with desk.running() as source:
        await until(lambda: desk.rows == set(NAMES))
        remove(desk, *NAMES)
        await held(desk, source)
        for name in NAMES[:9]:
            desk.write(f"{name}.yaml", service(name))
        await until(lambda: source.held is not None and source.held.items == ("Service/acme/s9",))
        await outlast(desk, source)
        assert (desk.rows, desk.held_states) == (set(NAMES), ["held"])
        desk.write("s9.yaml", service("s9"))
        await until(lambda: desk.held_states == [] and source.held is None)


async def test_held_across_restarts(desk: Desk) -> None:
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES)
    first = await desk.source.sync_once()
    second = await desk.another().sync_once()
    assert first.held == second.held
    assert desk.rows == set(NAMES)
    assert second.held is not None
    await desk.store.decide(second.held.id, "approved")
    third = await desk.another().sync_once()
    assert len(third.deleted) == 10


async def test_other_sources_rows_are_not_counted(desk: Desk) -> None:
    for number in range(100):
        await desk.store.apply(Manifest(key(f"x{number}"), {}), source="sql")
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES[:6])
    report = await desk.source.sync_once()
    assert report.held is not None
    assert report.held.total == 10


async def test_what_is_wrong_with_a_file_is_an_event_of_the_source(desk: Desk) -> None:
    desk.write("web.yaml", service("web"))
    desk.write("bad.yaml", "kind: [\n")
    for _ in range(2):
        await desk.source.sync_once()
    (event,) = [e for e in await desk.store.events() if e.type == "Warning"]
    assert (str(event.key), event.count, event.uid) == ("Source//manifest:main", 1, "")
    assert event.reason == "ConfigurationInvalidManifest"
    assert "/bad.yaml:2: " in event.message


async def test_held_deletions_are_events(desk: Desk) -> None:
    ten_files(desk)
    await desk.source.sync_once()
    remove(desk, *NAMES[:6])
    for _ in range(2):
        await desk.source.sync_once()
    found = [e for e in await desk.store.events() if e.reason == "DeletionsHeld"]
    assert {e.key.name for e in found} == {"manifest:main", *NAMES[:6]}
    assert all(e.count == 1 and "skyctl guard approve" in e.message for e in found)


async def test_a_protected_row_stays(desk: Desk) -> None:
    desk.write("all.yaml", services("web", "db"))
    await desk.source.sync_once()
    await desk.store.annotate(key("db"), {ANNOTATION_PROTECT: "true"})
    desk.write("all.yaml", service("web"))
    report = await desk.source.sync_once()
    assert [p.error.code for p in report.problems] == ["RESOURCE_PROTECTED"]
    assert desk.rows == {"web", "db"}


async def test_a_file_takes_its_protection_away_again(desk: Desk) -> None:
    head, _, spec = service("db").partition("spec:")
    protect = f"{head}  annotations: {{{ANNOTATION_PROTECT}: 'true'}}\nspec:{spec}"
    desk.write("all.yaml", service("web") + "---\n" + protect)
    await desk.source.sync_once()
    desk.write("all.yaml", services("web", "db"))
    await desk.source.sync_once()
    assert desk.resources[key("db")].annotations == {}
    await desk.store.annotate(key("db"), {ANNOTATION_PROTECT: "true"})
    nulled = protect.replace("'true'", "null")
    desk.write("all.yaml", service("web") + "---\n" + nulled)
    report = await desk.source.sync_once()
    assert report.problems == ()
    assert desk.resources[key("db")].annotations == {}
