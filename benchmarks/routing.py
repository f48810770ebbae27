"""(j) From a row to the first visitor who is answered; (k) one change among a thousand domains.

(j) A Service and its Domain are committed together; visitors ask for the hostname all the time. The
floor is what cannot be avoided: the engine's create and start until the program in it answers, and
then Traefik's own time from a file's rename until it serves it, by a Traefik of the same static
configuration that nobody else writes for.

(k) A thousand Domains of ten Services; one gets another path. The floor is the same Traefik
configuration with a copy of the same files, one of which is replaced.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.bare import Bare, Recorded, bare
from benchmarks.measure import Measure
from benchmarks.processes import cpu, resident
from benchmarks.rig import Rig, Running, running
from controller.ingress.binary import find_traefik
from controller.ingress.ports import free_port
from controller.ingress.process import running as proxies_of
from controller.ingress.traefik import Start, constant, static
from controller.settings import Settings
from tests.e2e import fleet
from tests.e2e.harness import Docker, short_directory

ORGANIZATION, PORT = "routing", 8080
COMMAND = ["httpd", "-f", "-p", str(PORT), "-h", "/www"]
DOMAINS, SERVICES = 1_000, 10
POLL = 0.002
REST = 60.0
"""Seconds over which those that have nothing to do are watched."""
PATIENCE = 120.0
MIB = 1 << 20


@dataclass(frozen=True)
class Visitor:
    session: aiohttp.ClientSession
    port: int

    async def answered(self, hostname: str, path: str = "/") -> float:
        """The moment of the first 200."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with asyncio.timeout(PATIENCE):
            while not await _ok(self.session, url, hostname):
                await asyncio.sleep(POLL)
        return time.perf_counter()


@dataclass(frozen=True)
class Alone:
    """A Traefik that nobody keeps. place: of its documents."""

    pid: int
    port: int
    place: Path

    def write(self, name: str, text: str) -> float:
        """The moment in which it is there."""
        fresh = self.place.with_name("fresh")
        fresh.write_text(text)
        moment = time.perf_counter()
        fresh.rename(self.place / name)
        return moment


async def measure(rig: Rig, recorded: Recorded | None, rows: Sequence[str]) -> Sequence[Measure]:
    if find_traefik() is None:
        return [Measure(row, "routing", "", absent="there is no Traefik") for row in "jk"]
    env = {
        "SKYCTL_INGRESS": "process",
        "SKYCTL_INGRESS_ADDRESS": "127.0.0.1",
        "SKYCTL_HTTP_PORT": str(free_port()),
        "SKYCTL_HTTPS_PORT": str(free_port()),
        "SKYCTL_DOMAIN_VERIFICATION": "none",
    }
    found: list[Measure] = []
    async with (
        running(rig.host, rig.engine, **env) as controller,
        aiohttp.ClientSession() as session,
    ):
        visitor = Visitor(session, int(env["SKYCTL_HTTP_PORT"]))
        await controller.commit(fleet.organization(ORGANIZATION))
        await controller.ready()
        if "j" in rows and recorded is not None:
            found += await _first_answers(rig, recorded, controller, visitor)
        if "k" in rows:
            found += await _among_many(rig, controller, visitor)
        await controller.clear()
    return found


# -- (j)


async def _first_answers(
    rig: Rig, recorded: Recorded, controller: Running, visitor: Visitor
) -> Sequence[Measure]:
    ours: list[float] = []
    theirs: list[float] = []
    serving = replace(recorded, container={**recorded.container, "Cmd": COMMAND})
    async with bare(rig, serving) as floor, alone() as proxy:
        network = await floor.network(9_998)
        other = Visitor(visitor.session, proxy.port)
        for pair in range(-1, rig.pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                if side:
                    ours.append(await _routed(rig, controller, visitor, f"s{pair + 1}"))
                else:
                    theirs.append(await _floor(rig, floor, network, other, proxy, f"b{pair + 1}"))
            rig.say(f"(j) {pair + 1}: {ours[-1]:.0f} ms, bare {theirs[-1]:.0f} ms")
    note = (
        "health check by HTTP each second; the first pair, which starts the proxy, is not counted;"
        " the floor: bare create and start until it answers, and Traefik's own time for a file"
    )
    what = "row committed to the first 200 through Traefik"
    return [Measure("j", what, "ms", ours[1:], "bare sum", theirs[1:], note=note)]


async def _routed(rig: Rig, controller: Running, visitor: Visitor, name: str) -> float:
    began = await controller.commit(_service(name, rig.image), _domain(name, name))
    moment = await visitor.answered(_hostname(name))
    await controller.ready()
    return (moment - began) * 1000


async def _floor(
    rig: Rig, floor: Bare, network: str, visitor: Visitor, proxy: Alone, name: str
) -> float:
    began = time.perf_counter()
    made = await floor.start(f"routing-{name}", network)
    found = await asyncio.to_thread(Docker(rig.engine).call, "GET", f"/containers/{made}/json")
    (place,) = found["NetworkSettings"]["Networks"].values()
    server = f"http://{place['IPAddress']}:{PORT}"
    async with asyncio.timeout(PATIENCE):
        while not await _ok(visitor.session, f"{server}/", name):
            await asyncio.sleep(POLL)
    started = time.perf_counter() - began
    hostname = _hostname(name)
    http = {
        "routers": {name: {"rule": f"Host(`{hostname}`)", "service": name, "entryPoints": ["web"]}},
        "services": {name: {"loadBalancer": {"servers": [{"url": server}]}}},
    }
    written = proxy.write(f"{name}.yml", json.dumps({"http": http}))
    return (started + await visitor.answered(hostname) - written) * 1000


# -- (k)


async def _among_many(rig: Rig, controller: Running, visitor: Visitor) -> Sequence[Measure]:
    names = [f"d{number}" for number in range(DOMAINS)]
    services = [f"many{number}" for number in range(SERVICES)]
    rig.say(f"(k) {DOMAINS} domains are declared")
    began = time.perf_counter()
    await controller.commit(
        *(_service(name, rig.image) for name in services),
        *(_domain(name, services[i % SERVICES]) for i, name in enumerate(names)),
    )
    await controller.ready()
    rig.say(f"(k) all are Ready after {time.perf_counter() - began:.1f} s")
    home, (kept,) = _home(controller), proxies_of(_home(controller))
    ours: list[float] = []
    theirs: list[float] = []
    spent: list[float] = []
    async with alone(home / "routes") as proxy:
        other = Visitor(visitor.session, proxy.port)
        await other.answered(_hostname("d0"))
        for pair in range(rig.pairs):
            for side in (0, 1) if pair % 2 else (1, 0):
                if side:
                    before = cpu(int(kept.id))
                    ours.append(await _moved(controller, visitor, f"/ours{pair}"))
                    spent.append((cpu(int(kept.id)) - before) * 1000)
                else:
                    theirs.append(await _replaced(proxy, other, home, f"/bare{pair}"))
            rig.say(f"(k) {pair + 1}: {ours[-1]:.0f} ms, bare {theirs[-1]:.0f} ms")
    files = list((home / "routes").iterdir())
    assert controller.program.process is not None
    both = int(kept.id), controller.program.process.pid
    memory = [resident(pid) / MIB for pid in both]
    before = [cpu(pid) for pid in both]
    await asyncio.sleep(REST)
    idle = [100 * (cpu(pid) - since) / REST for pid, since in zip(both, before, strict=True)]
    what = f"one change among {DOMAINS} domains, committed to served"
    note = (
        f"{len(files)} files, {sum(f.stat().st_size for f in files) / 1000:.0f} kB;"
        f" resident: Traefik {memory[0]:.0f} MiB, controller {memory[1]:.0f} MiB;"
        f" at rest: Traefik {idle[0]:.1f} %, controller {idle[1]:.1f} % of a core"
    )
    return [
        Measure("k", what, "ms", ours, "a file replaced", theirs, note=note),
        Measure("k", "CPU of Traefik for it", "ms", spent),
    ]


async def _moved(controller: Running, visitor: Visitor, path: str) -> float:
    began = await controller.commit(_domain("d0", "many0", path))
    moment = await visitor.answered(_hostname("d0"), path)
    await controller.ready()
    await asyncio.sleep(0.5)
    return (moment - began) * 1000


async def _replaced(proxy: Alone, visitor: Visitor, home: Path, path: str) -> float:
    (real,) = (home / "routes").glob(f"domain_{ORGANIZATION}_d0_*.yml")
    text = real.read_text()
    rule = f"Host(`{_hostname('d0')}`)"
    here = f"{rule} && PathPrefix(`{path}`)"
    content = json.loads(text[text.index("{") :])
    for router in content["http"]["routers"].values():
        router["rule"] = here
    strip = {"strip": {"stripPrefix": {"prefixes": [path]}}}
    content["http"]["middlewares"] = {**content["http"].get("middlewares", {}), **strip}
    for router in content["http"]["routers"].values():
        router["middlewares"] = ["strip"]
    written = proxy.write(real.name, json.dumps(content))
    moment = await visitor.answered(_hostname("d0"), path)
    await asyncio.sleep(0.5)
    return (moment - written) * 1000


# -- both


@asynccontextmanager
async def alone(routes: Path | None = None) -> AsyncIterator[Alone]:
    """routes: what it begins with."""
    program = find_traefik()
    assert program is not None
    with short_directory() as place:
        settings = Settings(
            state_dir=place,
            ingress_address="127.0.0.1",
            http_port=free_port(),
            https_port=free_port(),
        )
        start = Start(place, free_port())
        if routes is None:
            start.routes.mkdir()
            (start.routes / "own.yml").write_text(json.dumps(constant("token")))
        else:
            shutil.copytree(routes, start.routes)
        told = place / "static.yml"
        told.write_text(json.dumps(static(settings, start)))
        process = await asyncio.create_subprocess_exec(program, f"--configFile={told}")
        try:
            yield Alone(process.pid, settings.http_port, start.routes)
        finally:
            process.terminate()
            await process.wait()


async def _ok(session: aiohttp.ClientSession, url: str, hostname: str) -> bool:
    try:
        async with session.get(url, headers={"Host": hostname}, allow_redirects=False) as answer:
            await answer.read()
            return answer.status == 200
    except (aiohttp.ClientError, OSError):
        return False


def _home(controller: Running) -> Path:
    return (controller.program.state_dir / "ingress").resolve()


def _hostname(name: str) -> str:
    return f"{name}.example.test"


def _service(name: str, image: str) -> str:
    health = {"http": {"port": PORT}, "interval": "1s"}
    ports = [{"containerPort": PORT}]
    return fleet.service(
        ORGANIZATION, name, image, command=COMMAND, ports=ports, healthCheck=health
    )


def _domain(name: str, service: str, path: str = "") -> str:
    """Without TLS, so that the visitors need none."""
    more: dict[str, Any] = {"pathPrefix": path, "stripPrefix": True} if path else {}
    tls = {"enabled": False}
    spec = {"hostname": _hostname(name), "service": service, "tls": tls, **more}
    return fleet.insert("Domain", ORGANIZATION, name, spec)
