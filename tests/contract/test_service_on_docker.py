"""What we render and what a real engine shows of it are never taken for a difference.

A planner that disagreed with the engine about one field would heal it for ever. Every field of a
Service is made here on a real engine, read back, and planned again: the plan must be empty. The
same then for every kind of disturbance: healed once, and at rest again.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.engine.base import Engine
from controller.engine.docker import connect
from controller.settings import Settings
from resources.context import Context, Platform
from resources.effective import effective, references
from resources.meta import Entry, Key, Resource
from resources.observed import Container, Limits
from resources.plan import Plan
from resources.registry import kinds
from resources.service.drift import differences
from resources.service.survey import Survey, survey
from resources.steps import (
    DisconnectNetwork,
    EngineStep,
    RemoveContainer,
    StopContainer,
    UpdateContainer,
)
from resources.store_steps import Finalize
from tests.images import ensure_busybox_image
from tests.property.apply import Stage

pytestmark = pytest.mark.docker
IMAGE = ensure_busybox_image


class OnDocker:
    """The rows of a stage, the containers of a real engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.instance = "rt" + uuid.uuid4().hex[:8]
        self.name = self.instance
        self.stage = Stage(platform=Platform(self.instance, host_ports=(1, 65535)))
        self.organization = Key("Organization", "", self.name)

    def declare(self, kind: str, name: str, spec: Mapping[str, Any]) -> Key:
        organization = "" if kind == "Organization" else self.name
        key = Key(kind, organization, name)
        if key not in self.stage.rows:
            resource = Resource(key, str(uuid.uuid4()), dict(spec), created_at=self.now())
            self.stage.rows[key] = Entry(resource)
            return key
        return self.stage.declare(kind, organization, name, spec)

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)

    async def context(self, key: Key) -> Context:
        entry, kind = self.stage.rows[key], kinds()[key.kind]
        found = effective(entry)
        refs = {ref: self.stage.rows.get(ref) for ref in references(kind, entry, found)}
        world = await self.engine.read(kind.scope(entry, found.spec, refs))
        return Context(
            entry, found.spec, found.generation, refs, world, self.stage.platform, self.now()
        )

    async def settle(self, key: Key, seconds: float = 30) -> list[str]:
        """Until the plan is empty. What was done."""
        done: list[str] = []
        async with asyncio.timeout(seconds):
            while key in self.stage.rows:
                plan = await self._pass(key)
                done += [step.render() for step in plan.steps]
                if plan.converged:
                    break
                if not plan.steps:
                    await asyncio.sleep(0.1)
        return done

    async def _pass(self, key: Key) -> Plan:
        plan = kinds()[key.kind].plan(await self.context(key))
        assert plan.problem is None, plan.render()
        for step in plan.steps:
            if isinstance(step, EngineStep):
                verb = re.sub(r"(?<!^)(?=[A-Z])", "_", type(step).__name__).lower()
                await getattr(self.engine, verb)(step)
            elif isinstance(step, Finalize):
                del self.stage.rows[key]
                return plan
            else:
                self.stage.now = self.now()
                self.stage.apply(key, step)
        status = kinds()[key.kind].status(await self.context(key), plan, None)
        self.stage.rows[key] = replace(
            self.stage.rows[key],
            status=status,
            observed_generation=self.stage.rows[key].resource.generation,
        )
        return plan

    async def only(self, key: Key) -> Container:
        (container,) = (await self.context(key)).world.containers_of(
            self.stage.rows[key].resource.uid
        )
        return container

    async def close(self) -> None:
        for kind in ("Service", "Volume", "Organization"):
            for key in [k for k in self.stage.rows if k.kind == kind]:
                entry = self.stage.rows[key]
                resource = replace(entry.resource, deletion_requested_at=self.now())
                self.stage.rows[key] = replace(entry, resource=resource)
                await self.settle(key)


@pytest.fixture
async def docker() -> AsyncIterator[OnDocker]:
    ensure_busybox_image()
    engine = await connect(Settings())
    made = OnDocker(engine)
    number = int(made.instance[2:6], 16)
    subnet = f"10.{200 + number % 50}.{number // 50 % 256}.0/24"
    made.organization = made.declare("Organization", made.name, {"network": {"subnet": subnet}})
    await made.settle(made.organization)
    try:
        yield made
    finally:
        await made.close()
        await engine.close()


EVERYTHING: dict[str, Any] = {
    "command": ["sh", "-c"],
    "args": ["trap 'exit 0' TERM; sleep 100000 & wait"],
    "workingDir": "/tmp",
    "user": "1000:1000",
    "environment": {"A": "x", "B": 1, "C": 0.5, "D": True, "E": "", "F": "a=b $c"},
    "files": [{"path": "/etc/app/motd", "content": "hello", "mode": "0440"}],
    "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 53, "protocol": "udp"}],
    "volumes": [
        {"volume": "data", "mountPath": "/data/"},
        {"volume": "data", "mountPath": "/ro", "readOnly": True},
    ],
    "tmpfs": [{"mountPath": "/scratch", "size": "1Mi"}],
    "shmSize": "8Mi",
    "resources": {"cpu": "333m", "memory": "33Mi", "pids": 33},
    "healthCheck": {"exec": ["true"], "interval": "1s", "startPeriod": "0s"},
    "restart": {"policy": "onFailure"},
    "terminationGracePeriod": "1s",
    "stopSignal": "SIGTERM",
    "capabilities": ["SYS_CHROOT"],
}

VARIANTS: dict[str, dict[str, Any]] = {
    "the least": {},
    "everything": EVERYTHING,
    "read-only root": {"readOnlyRootFilesystem": True, "tmpfs": [{"mountPath": "/tmp"}]},
    "a host port": {
        "ports": [{"containerPort": 80, "hostPort": 18761, "hostAddress": "127.0.0.1"}]
    },
    "never": {"restart": {"policy": "never"}},
    "replicas": {"replicas": 2},
}


@pytest.mark.parametrize("name", VARIANTS)
async def test_at_rest_once_made(docker: OnDocker, name: str) -> None:
    await docker.settle(docker.declare("Volume", "data", {"deletionPolicy": "Delete"}))
    web = docker.declare("Service", "web", {"image": IMAGE(), **VARIANTS[name]})
    await docker.settle(web)
    found = survey(await docker.context(web))
    assert isinstance(found, Survey)
    assert found.steady
    for ordinal, container in found.fleet.current.items():
        assert container.inspected
        assert differences(container, found.replica(ordinal)) == ()
    assert await docker.settle(web) == []


async def test_changed_in_place(docker: OnDocker) -> None:
    web = docker.declare("Service", "web", {"image": IMAGE()})
    await docker.settle(web)
    before = await docker.only(web)
    docker.declare(
        "Service",
        "web",
        {
            "image": IMAGE(),
            "resources": {"cpu": 0.1, "memory": "64Mi", "pids": 50},
            "restart": {"policy": "never"},
        },
    )
    done = await docker.settle(web)
    assert [line.split()[0] for line in done] == [
        "Accept",
        "BeginRollout",
        "UpdateContainer",
        "EndRollout",
    ]
    after = await docker.only(web)
    assert after.id == before.id
    assert after.limits == Limits(100_000_000, 64 << 20, 50, 64 << 20)


async def test_disturbed_and_healed(docker: OnDocker) -> None:
    web = docker.declare("Service", "web", {"image": IMAGE(), "terminationGracePeriod": "1s"})
    await docker.settle(web)

    async def healed(*verbs: str) -> None:
        done = await docker.settle(web)
        assert [line.split()[0] for line in done] == list(verbs), done
        assert await docker.settle(web) == []

    why: dict[str, Any] = {"cause": "by hand"}
    container = await docker.only(web)
    named: dict[str, Any] = {"container": container.id, "container_name": container.name}
    (network,) = container.networks
    await docker.engine.update_container(
        UpdateContainer(**why, **named, limits=Limits(10**9, 1 << 27, 99, 1 << 28))
    )
    await healed("UpdateContainer")
    await docker.engine.update_container(UpdateContainer(**why, **named, restart="never"))
    await healed("UpdateContainer")
    await docker.engine.disconnect_network(
        DisconnectNetwork(**why, **named, network=network.network_id, network_name="n")
    )
    await healed("ConnectNetwork")
    await docker.engine.stop_container(StopContainer(**why, **named, grace=0))
    await healed("StartContainer")
    await docker.engine.remove_container(RemoveContainer(**why, **named))
    await healed("CreateContainer", "StartContainer")


async def test_stopped_kept_and_started_again(docker: OnDocker) -> None:
    spec = {"image": IMAGE(), "terminationGracePeriod": "1s"}
    web = docker.declare("Service", "web", spec)
    await docker.settle(web)
    before = await docker.only(web)
    docker.declare("Service", "web", {**spec, "state": "stopped"})
    await docker.settle(web)
    assert (await docker.only(web)).state == "exited"
    docker.declare("Service", "web", spec)
    await docker.settle(web)
    after = await docker.only(web)
    assert (after.id, after.state) == (before.id, "running")


async def test_rolled_out_start_first(docker: OnDocker) -> None:
    spec = {"image": IMAGE(), "terminationGracePeriod": "1s"}
    check = {"healthCheck": {"exec": ["true"], "interval": "1s"}}
    web = docker.declare("Service", "web", {**spec, **check})
    await docker.settle(web)
    docker.declare("Service", "web", {**spec, **check, "environment": {"A": "1"}})
    done = await docker.settle(web)
    verbs = [line.split()[0] for line in done]
    assert verbs.index("StartContainer") < verbs.index("StopContainer")
    assert (await docker.only(web)).running


async def test_pre_deploy(docker: OnDocker) -> None:
    spec = {"image": IMAGE(), "terminationGracePeriod": "1s"}
    web = docker.declare("Service", "web", {**spec, "preDeploy": {"command": ["true"]}})
    done = await docker.settle(web)
    assert any("RecordPreDeploy generation 1 succeeded" in line for line in done), done
    assert (await docker.only(web)).running
