"""The private PostgreSQL: started, taken over, kept running, upgraded; as root and as anyone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from controller.store.embedded import embedded_postgres, is_available
from controller.store.embedded.account import Account, server_account
from controller.store.embedded.cluster import Cluster
from controller.store.embedded.place import ELSEWHERE
from controller.store.embedded.programs import Programs, bundled_version, version_of
from controller.store.embedded.server import Server, running
from controller.store.postgres import open_store
from resources.errors import UserError
from resources.meta import Key, Manifest
from tests.databases import SYSTEM_15, forget_durability, quick

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not is_available(), reason="embedded-postgres is not installed"),
]
PATIENT = 60.0
ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).parents[3]
CHILD = """
import asyncio, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in background
from controller.store.embedded.cluster import INITDB, OPTIONS
OPTIONS["fsync"] = "off"
INITDB.append("--no-sync")
from controller.store.embedded import embedded_postgres
from resources.errors import UserError

async def main():
    try:
        async with embedded_postgres(Path(sys.argv[1])) as url:
            print("url", url, flush=True)
            await asyncio.Event().wait()
    except UserError as error:
        print("refused", error.code, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory that an unprivileged account can reach; no server outlives the test."""
    forget_durability()
    place = Path(tempfile.mkdtemp(prefix="skyctl-test-"))
    place.chmod(0o755)
    directory = place / "state"
    try:
        yield directory
    finally:
        home = (directory / "postgres").resolve()
        for data in home.glob("data*"):
            left = running(data)
            if left is not None:
                os.kill(left.pid, signal.SIGKILL)
        if home.is_relative_to(ELSEWHERE):
            shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def controller(state: Path, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that holds the embedded server."""
    process = await asyncio.create_subprocess_exec(
        options.pop("python", sys.executable),
        "-c",
        CHILD,
        str(state),
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        **options,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> list[str]:
    assert process.stdout
    async with asyncio.timeout(PATIENT):
        return (await process.stdout.readline()).decode().split()


def server_of(state: Path) -> int | None:
    found = running((state / "postgres").resolve() / "data")
    return found.pid if found else None


async def mark(url: str) -> list[int]:
    """One more row; all rows."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS public.marks (n serial)")
    await connection.execute("INSERT INTO public.marks DEFAULT VALUES")
    rows = await connection.fetch("SELECT n FROM public.marks ORDER BY n")
    await connection.close()
    return [row["n"] for row in rows]


async def test_it_keeps_its_data_and_its_secrets(state: Path) -> None:
    for number in (1, 2):
        async with embedded_postgres(state) as url:
            assert len(await mark(url)) == number
            store = await open_store(quick(), url)
            assert list(await store.entries()) == []
            await store.close()
            assert server_of(state)
        assert server_of(state) is None
    home = (state / "postgres").resolve()
    assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "server.log").stat().st_mode) == 0o600
    if ROOT:
        assert (home / "data").stat().st_uid != 0
        assert (home / "password").stat().st_uid == 0


async def test_nothing_listens_on_tcp_and_a_password_is_needed(state: Path) -> None:
    async with embedded_postgres(state) as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SHOW listen_addresses") == ""
        await connection.close()
        wrong = "postgresql://skyctl:wrong@" + url.partition("@")[2]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


async def test_a_killed_controllers_server_is_taken_over(state: Path) -> None:
    async with controller(state) as first:
        word, url = await line(first)
        assert word == "url"
        await mark(url)
        pid = server_of(state)
        first.kill()
        await first.wait()
    assert server_of(state) == pid
    async with embedded_postgres(state) as url:
        assert server_of(state) == pid
        assert len(await mark(url)) == 2
    assert server_of(state) is None


async def test_ctrl_c_does_not_reach_the_server(state: Path) -> None:
    async with controller(state, start_new_session=True) as first:
        _, url = await line(first)
        pid = server_of(state)
        assert pid
        assert os.getsid(pid) != os.getsid(first.pid)
        os.killpg(first.pid, signal.SIGINT)
        async with asyncio.timeout(PATIENT):
            await first.wait()
    assert server_of(state) is None  # stopped by its controller, in order
    log = ((state / "postgres").resolve() / "server.log").read_text()
    assert "database system is shut down" in log
    async with embedded_postgres(state) as url:
        assert await mark(url) == [1]


async def test_a_second_controller_is_refused(state: Path) -> None:
    async with controller(state) as first:
        await line(first)
        with pytest.raises(UserError) as caught:
            async with embedded_postgres(state):
                pass
        assert caught.value.code == "CONFIGURATION_STATE_DIR_IN_USE"
        assert str(first.pid) in caught.value.message
        assert server_of(state)


async def test_a_server_that_dies_is_started_again(state: Path) -> None:
    async with embedded_postgres(state) as url:
        await mark(url)
        pid = server_of(state)
        assert pid
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENT):
            while True:
                await asyncio.sleep(0.05)
                if server_of(state) in (pid, None):
                    continue
                with contextlib.suppress(OSError, asyncpg.PostgresError):
                    assert len(await mark(url)) == 2
                    break


async def test_a_foreign_process_under_the_old_number_does_not_matter(state: Path) -> None:
    async with embedded_postgres(state) as url:
        await mark(url)
    data = (state / "postgres").resolve() / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n5432\n/nowhere\n\n1 1\n")
    async with embedded_postgres(state) as url:
        assert len(await mark(url)) == 2


async def test_a_broken_start_says_why(state: Path) -> None:
    async with embedded_postgres(state):
        pass
    settings = (state / "postgres").resolve() / "data" / "postgresql.conf"
    settings.write_text(settings.read_text() + "no_such_setting = 1\n")
    with pytest.raises(UserError) as caught:
        async with embedded_postgres(state):
            pass
    assert caught.value.code == "CONFIGURATION_EMBEDDED_FAILED"
    assert "no_such_setting" in caught.value.message


async def test_a_body_that_fails_stops_the_server(state: Path) -> None:
    with pytest.raises(UserError, match="mine"):
        async with embedded_postgres(state):
            raise UserError("X", "mine")
    assert server_of(state) is None


async def test_a_long_path(state: Path) -> None:
    long = state / ("d" * 90)
    async with embedded_postgres(long) as url:
        assert await mark(url) == [1]
    async with embedded_postgres(long) as url:
        assert len(await mark(url)) == 2
    shutil.rmtree(long)


async def test_a_half_made_cluster_is_made_again(state: Path) -> None:
    os.mkdir(state)
    account = server_account(state / "postgres" / "data")
    home = state / "postgres"
    home.mkdir()
    (home / "data.new").mkdir()
    (home / "data.new" / "PG_VERSION").write_text("18")
    if account:
        account.own(home / "data.new")
    async with embedded_postgres(state) as url:
        assert await mark(url) == [1]


@pytest.mark.skipif(not ROOT, reason="only root drops rights")
async def test_closed_parents_are_left_closed(state: Path) -> None:
    """As under /root: the data go elsewhere, and a link says where."""
    state.parent.chmod(0o700)
    async with embedded_postgres(state) as url:
        assert await mark(url) == [1]
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700
    link = state / "postgres"
    assert link.is_symlink()
    assert link.resolve().parent == ELSEWHERE
    async with embedded_postgres(state) as url:
        assert len(await mark(url)) == 2
    kept = link.resolve()
    link.unlink()
    link.symlink_to("/nowhere/at/all")
    with pytest.raises(UserError) as caught:
        async with embedded_postgres(state):
            pass
    assert caught.value.code == "CONFIGURATION_EMBEDDED_PLACE"
    shutil.rmtree(kept)


def test_who_reaches_what(tmp_path: Path) -> None:
    open_, closed = tmp_path / "open", tmp_path / "closed"
    open_.mkdir()
    closed.mkdir(mode=0o700)
    other = Account("other", os.geteuid() + 1, os.getegid() + 1)
    own = Account("own", os.geteuid(), os.getegid())
    assert own.reaches(closed)
    assert not other.reaches(closed)


@pytest.mark.skipif(not ROOT, reason="needs root to become somebody else")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no python for everybody")
async def test_as_an_ordinary_user(state: Path) -> None:
    """A python that everybody reaches, with our packages, as nobody."""
    packages = Path(asyncpg.__file__).parents[1]
    nobody = pwd.getpwnam("nobody")
    os.mkdir(state)
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    environment = {
        "PYTHONPATH": f"{REPOSITORY}:{packages}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/bin:/bin",
    }
    probe = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", "-c", "import controller.store.postgres",
        env=environment, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if await probe.wait() != 0:
        pytest.skip("that python does not fit, or does not reach our packages")
    async with controller(
        state, python="/usr/bin/python3", env=environment,
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
    ) as first:  # fmt: skip
        word, url = await line(first)
        assert word == "url"
        assert await mark(url) == [1]
        assert (state / "postgres" / "data").stat().st_uid == nobody.pw_uid
        first.terminate()


@pytest.mark.skipif(not (SYSTEM_15 / "postgres").exists(), reason="no PostgreSQL 15 here")
async def test_another_major_version_is_reloaded(state: Path) -> None:
    cluster = _older(state)
    server = Server(cluster)
    await server.start()
    store = await open_store(quick(), cluster.url())
    key = Key("Service", "acme", "web")
    await store.apply(Manifest(key, {"image": "a"}), source="manifest:prod", actor="user:1")
    await store.apply(Manifest(key, {"image": "b"}), source="manifest:prod", actor="user:2")
    before, instance = await store.entry(key), await store.instance()
    assert before
    revisions = await store.revisions(before.resource.uid)
    await store.close()
    await server.stop()
    for _ in range(2):
        async with embedded_postgres(state) as url:
            store = await open_store(quick(), url)
            assert await store.entry(key) == before
            assert await store.instance() == instance
            assert await store.revisions(before.resource.uid) == revisions
            applied = await store.apply(Manifest(key, {"image": "b"}), source="manifest:prod")
            assert applied.action == "unchanged"
            await store.close()
    home = state / "postgres"
    assert (home / "data-15" / "PG_VERSION").read_text().strip() == "15"
    assert not (home / "dump.sql").exists()
    assert not (home / "data.new").exists()


def _older(state: Path) -> Cluster:
    """A cluster as an earlier release with PostgreSQL 15 would have left it."""
    home = state / "postgres"
    home.mkdir(parents=True)
    state.chmod(0o711)
    cluster = Cluster(home, server_account(home / "data"), bundled_version())
    cluster.__dict__["programs"] = Programs(SYSTEM_15, version_of(SYSTEM_15))
    cluster.initialize(cluster.data)
    return cluster


async def test_a_version_that_nothing_reads_is_refused(state: Path) -> None:
    async with embedded_postgres(state):
        pass
    version = (state / "postgres").resolve() / "data" / "PG_VERSION"
    for number, code in (
        ("9", "CONFIGURATION_EMBEDDED_UPGRADE"),
        ("99", "CONFIGURATION_EMBEDDED_NEWER"),
    ):
        version.write_text(number)
        with pytest.raises(UserError) as caught:
            async with embedded_postgres(state):
                pass
        assert caught.value.code == code
        assert caught.value.suggestions


async def test_without_the_package(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.store.embedded.is_available", lambda: False)
    with pytest.raises(UserError) as caught:
        async with embedded_postgres(state):
            pass
    assert caught.value.code == "CONFIGURATION_EMBEDDED_MISSING"
    assert "skypanel-controller[embedded]" in caught.value.suggestions[0]


def commands(after: str) -> str:
    """The first shell that the how-to has after these words."""
    text = (REPOSITORY / "docs/how-to/state.md").read_text()
    return text.partition(after)[2].partition("```sh\n")[2].partition("```")[0]


async def shell(script: str, place: Path, **environment: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=place,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


async def test_the_documented_backup_can_be_restored(state: Path, tmp_path: Path) -> None:
    """With the programs of this very server, whatever the machine has else."""
    kept = Key("Organization", "", "kept")
    async with embedded_postgres(state) as url:
        store = await open_store(quick(), url)
        await store.apply(Manifest(kept, {}), source="sql")
        await store.close()
        await shell(commands("**The embedded one.**"), tmp_path, SKYCTL_STATE_DIR=str(state))
        admin = await asyncpg.connect(url)
        await admin.execute("CREATE DATABASE again")
        await admin.close()
        other = url.replace("@/skyctl?", "@/again?")
        (programs,) = (state / "postgres").resolve().glob("programs-*/*/pginstall/bin")
        skyctl = f"{sys.executable} -m controller.cli.main schema sql"
        await shell(
            commands("## Restore").replace("skyctl schema sql", skyctl),
            tmp_path,
            ADMIN_DATABASE_URL=other,
            PATH=f"{programs}:{os.environ['PATH']}",
            PYTHONPATH=str(REPOSITORY),
        )
        store = await open_store(quick(), other)
        assert await store.entry(kept) is not None
        await store.close()
