"""What a Docker engine does, in memory: the lives of its containers.

Everything happens at once and on the event loop's time: processes that end, restarts with their
pause, health that appears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from controller.clock import Clock
from controller.engine.base import EngineEvent
from resources.container_spec import ContainerSpec
from resources.labels import L_CONTROLLER, L_PHANTOM
from resources.observed import Attachment, Container, Limits
from tests.fakes.objects import Behaviour, Objects, Refused, in_order

SMALLEST_MEMORY = 6 * 1024 * 1024
RESTART_FIRST, RESTART_LONGEST, RESTART_RESET = 0.1, 60.0, 10.0
"""Seconds: the first pause before a restart, the longest, and the life that resets it."""


@dataclass(slots=True)
class Life:
    """What a container is beside what an inspection shows."""

    spec: ContainerSpec
    behaviour: Behaviour
    files: dict[str, str] = field(default_factory=dict)
    logs: list[tuple[str, str, str]] = field(default_factory=list)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    stopped_by_hand: bool = False
    began: float = 0.0
    pause: float = RESTART_FIRST
    unhealthy: int = 0

    def disarm(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


class Machine(Objects):
    def __init__(self, clock: Clock, emit: Callable[[EngineEvent], None], seed: str = "") -> None:
        super().__init__(clock, emit, seed)
        self.lives: dict[str, Life] = {}
        self.running = True

    def create(self, spec: ContainerSpec) -> Container:
        if (other := self.world.container_named(spec.name)) is not None:
            raise Refused(
                409,
                f'Conflict. The container name "/{spec.name}" is already in use by container '
                f'"{other.id}".',
            )
        if (image := self.image(spec.image)) is None:
            raise Refused(404, f"No such image: {spec.image}")
        if 0 < spec.limits.memory < SMALLEST_MEMORY:
            raise Refused(400, "Minimum memory limit allowed is 6MB")
        phantom = {L_CONTROLLER: spec.labels.get(L_CONTROLLER, ""), L_PHANTOM: "true"}
        for mount in spec.mounts:
            self.create_volume(mount.volume, phantom)
        container = Container(
            id=self.fresh_id(),
            name=spec.name,
            labels=dict(spec.labels),
            image=spec.image,
            image_id=image.id,
            state="created",
            created_at=self._clock.now(),
            networks=(Attachment(spec.network, "", spec.aliases),) if spec.network else (),
            mounts=tuple(sorted(spec.mounts, key=lambda m: m.path)),
            limits=replace(spec.limits, memory_swap=spec.limits.memory_swap or spec.limits.memory),
            restart_policy=spec.restart,
            inspected=True,
        )
        self.lives[container.id] = Life(spec, self.behaviour(spec.image))
        self.put(container)
        self.tell("create", container)
        return container

    def start(self, ref: str) -> None:
        """Nothing when it runs. Raises Refused."""
        container = self.container(ref)
        if container.state in ("running", "restarting"):
            return
        if container.state == "paused":
            raise Refused(409, "cannot start a paused container, try unpause instead")
        if container.state == "removing":
            raise Refused(409, "container is marked for removal and cannot be started")
        life = self.lives[container.id]
        life.stopped_by_hand, life.pause = False, RESTART_FIRST
        self._up(replace(container, restarts=0))

    def _up(self, container: Container) -> None:
        life = self.lives[container.id]
        self._check_start(container, life)
        self._join(container)
        if life.behaviour.start_error:
            self._leave(container)
            self._fail(container, 500, life.behaviour.start_error, 128)
        places = in_order(
            replace(a, address=self.address(a.network_id, True)) for a in container.networks
        )
        life.began = self._clock.monotonic()
        container = self.put(
            replace(
                container,
                state="running",
                health="starting" if life.spec.check else "",
                error="",
                exit_code=None,
                oom_killed=False,
                started_at=self._clock.now(),
                networks=places,
            )
        )
        self.tell("start", container)
        self._arm(container.id, life)

    def _check_start(self, container: Container, life: Life) -> None:
        for place in container.networks:
            if place.network_id not in self.world.networks:
                self._fail(container, 404, f"network {place.network_id} not found", 128)
        wanted = {p.host_port for p in life.spec.ports if p.host_port is not None}
        taken = self._host_ports() if wanted else set()
        for port in sorted(wanted & taken):
            self._fail(
                container,
                500,
                "driver failed programming external connectivity on endpoint "
                f"{container.name} (0): Bind for 0.0.0.0:{port} failed: port is already allocated",
                128,
            )

    def _host_ports(self) -> set[int]:
        live = (i for i, c in self.world.containers.items() if c.state in ("running", "paused"))
        return {p.host_port for i in live for p in self.lives[i].spec.ports if p.host_port}

    def _fail(self, container: Container, status: int, message: str, code: int) -> None:
        state = "exited" if container.state == "restarting" else container.state
        self.put(replace(container, state=state, error=message, exit_code=code))
        raise Refused(status, message)

    def _join(self, container: Container) -> None:
        self._each_network("connect", container)

    def _leave(self, container: Container) -> None:
        self._each_network("disconnect", container)

    def _each_network(self, action: str, container: Container) -> None:
        for place in container.networks:
            if (network := self.world.networks.get(place.network_id)) is not None:
                self.emit("network", action, network.id, network.name, container=container.id)

    def _arm(self, id_: str, life: Life) -> None:
        if life.behaviour.exits_after is not None:
            self.after(id_, life.behaviour.exits_after, self._ends)
        if (check := life.spec.check) is not None:
            healthy = life.behaviour.healthy_after
            if healthy is not None:
                self.after(id_, healthy, lambda i: self.health(i, "healthy"))
            else:
                patience = check.start_period + check.retries * check.interval
                self.after(id_, patience, lambda i: self.health(i, "unhealthy"))

    def after(self, id_: str, seconds: float, act: Callable[[str], None]) -> None:
        """act(id_) later, unless the container stops before."""
        loop = asyncio.get_running_loop()
        self.lives[id_].timers.append(loop.call_later(seconds, act, id_))

    def health(self, id_: str, word: str) -> None:
        container = self.world.containers[id_]
        if container.running and container.health != word:
            self.tell("health_status", self.put(replace(container, health=word)))

    def _ends(self, id_: str) -> None:
        self.crash(id_, self.lives[id_].behaviour.exit_code)

    def crash(self, ref: str, code: int, *, oom: bool = False) -> None:
        """The main process ends by itself or is killed behind the engine's back."""
        container = self.container(ref)
        if oom:
            self.tell("oom", container)
        self.down(container, code, oom=oom, final=False)

    def down(self, container: Container, code: int, *, oom: bool = False, final: bool) -> None:
        """final: no restart whatever the policy."""
        life = self.lives[container.id]
        life.disarm()
        self.tell("die", container, exit_code=code)
        self._leave(container)
        again = not final and self.running and _restarts(container, code)
        self.put(
            replace(
                container,
                state="restarting" if again else "exited",
                health="",
                exit_code=code,
                oom_killed=oom,
                restarts=container.restarts + (1 if again else 0),
                finished_at=self._clock.now(),
                networks=tuple(replace(a, address="") for a in container.networks),
            )
        )
        if again:
            lived = self._clock.monotonic() - life.began
            life.pause = RESTART_FIRST if lived > RESTART_RESET else life.pause
            self.after(container.id, life.pause, self._again)
            life.pause = min(life.pause * 2, RESTART_LONGEST)

    def _again(self, id_: str) -> None:
        try:
            self._up(self.world.containers[id_])
        except Refused:
            return

    def begin_stop(self, ref: str) -> Container | None:
        """The signal is sent. None: it does not run, nothing is to be done."""
        container = self.container(ref)
        self.lives[container.id].stopped_by_hand = True
        if container.state == "restarting":
            self.lives[container.id].disarm()
            self.tell("stop", self.put(replace(container, state="exited")))
            return None
        if container.state not in ("running", "paused"):
            return None
        self.tell("kill", container)
        if container.state == "paused":
            container = self.put(replace(container, state="running"))
            self.tell("unpause", container)
        return container

    def end_stop(self, id_: str, code: int) -> None:
        container = self.world.containers.get(id_)
        if container is not None and container.running:
            self.down(container, code, final=True)
            self.tell("stop", self.world.containers[id_])

    def pause(self, ref: str) -> None:
        container = self.container(ref)
        if not container.running:
            word = "already paused" if container.state == "paused" else "not running"
            raise Refused(409, f"Container {container.id} is {word}")
        self.tell("pause", self.put(replace(container, state="paused")))

    def unpause(self, ref: str) -> None:
        container = self.container(ref)
        if container.state != "paused":
            raise Refused(500, f"Container {container.id} is not paused")
        self.tell("unpause", self.put(replace(container, state="running")))

    def update(self, ref: str, limits: Limits | None, restart: str | None) -> None:
        container = self.container(ref)
        if limits is not None and 0 < limits.memory < SMALLEST_MEMORY:
            raise Refused(400, "Minimum memory limit allowed is 6MB")
        if limits is not None:
            limits = replace(limits, memory_swap=limits.memory_swap or limits.memory)
        self.put(
            replace(
                container,
                limits=limits or container.limits,
                restart_policy=restart or container.restart_policy,
            )
        )
        self.tell("update", container)

    def rename(self, ref: str, name: str) -> None:
        other = self.world.container_named(name)
        if other is not None and other.id == self.container(ref).id:
            raise Refused(400, "Renaming a container with the same name as its current name")
        if other is not None:
            raise Refused(
                409,
                f'Conflict. The container name "/{name}" is already in use by container '
                f'"{other.id}".',
            )
        self.tell("rename", self.put(replace(self.container(ref), name=name)))

    def remove(self, ref: str) -> None:
        """Forced."""
        container = self.container(ref)
        life = self.lives[container.id]
        if container.state in ("running", "paused"):
            self.tell("kill", container)
            self.down(container, 137, final=True)
        life.disarm()
        self.world.drop_container(container.id)
        del self.lives[container.id]
        self.tell("destroy", container)

    # -- the engine itself
    def halt(self) -> None:
        """Every process ends, as when the engine is stopped without live restore."""
        self.running = False
        for container in list(self.world.containers.values()):
            if container.state in ("running", "paused"):
                self.down(container, 143, final=True)
            elif container.state == "restarting":
                self.lives[container.id].disarm()
                self.put(replace(container, state="exited"))

    def boot(self, were_up: Iterable[str]) -> None:
        """Those whose policy says so come back."""
        self.running = True
        for id_ in were_up:
            container = self.world.containers.get(id_)
            if container is not None and _restarts(container, 143):
                self._again(id_)


def _restarts(container: Container, code: int) -> bool:
    match container.restart_policy:
        case "always":
            return True
        case "onFailure":
            return code != 0
        case _:
            return False
