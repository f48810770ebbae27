"""Where escapes are tried: a host of its own, with an engine, an uplink and somebody outside.

A network namespace is that host, as far as networks go: interfaces, routes, the engine's rules and
ours are its own, so what a test does to its firewall concerns nobody else. A second one is the
world outside, with a server and, where a cloud would have it, an address with metadata.

Tenants: ``alpha`` has the intruder and a sibling; ``beta`` the victim, with a published port;
``gamma`` may have NET_ADMIN and NET_RAW; ``delta`` has an internal network; ``omega`` is
restricted.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e import fleet
from tests.e2e.engines import PrivateEngine, private_engine
from tests.e2e.harness import SKYCTL, Docker, Program, short_directory
from tests.images import ensure_busybox_image

HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
METADATA = "169.254.169.254"
ANYWHERE, LOOPBACK, UPLINK, V6, DATAGRAMS, ENGINE = 7001, 7002, 7003, 7004, 7005, 2375
METRICS = 8900
PUBLISHED = 18080
INSIDE = 9000
SHELL_SECONDS = 60.0

ON_HOST = (
    f"tcp=0.0.0.0={ANYWHERE}",
    f"tcp=127.0.0.1={LOOPBACK}",
    f"tcp={HOST}={UPLINK}",
    f"tcp=::={V6}",
    f"udp=0.0.0.0={DATAGRAMS}",
    f"tcp=0.0.0.0={ENGINE}",
    "tcp=0.0.0.0=80",
)
ON_OUTSIDE = (f"tcp={METADATA}=80", f"tcp={OUTSIDE}=8000")

TENANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("alpha", {}),
    ("beta", {}),
    ("gamma", {"security": {"allowedCapabilities": ["NET_ADMIN", "NET_RAW"]}}),
    ("delta", {"network": {"internal": True}}),
    ("omega", {"security": {"profile": "restricted"}}),
)
_ROOM = {"resources": {"cpu": 1, "memory": "64Mi", "pids": 256}}
_SERVES = {"command": ["nc", "-ll", "-p", str(INSIDE), "-e", "/bin/echo", "reached inside"]}
HOSTILE = "`id` $(id) ${PATH}; rm -rf / | nc 'a' \"b\" \\ %s {{7*7}} \u0430\u200b\u202e\U0001f600"
"""Shell, template and format syntax, quotes, a Cyrillic a, invisible and reversing characters."""
SERVICES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("alpha", "intruder", {**_ROOM, "environment": {"ODD": HOSTILE, "LINES": "a\nB=c\n\ttab"},
                           "files": [{"path": "/odd", "content": HOSTILE}]}),
    ("alpha", "sibling", _SERVES),
    ("beta", "victim", {**_SERVES, "ports": [{"containerPort": INSIDE, "hostPort": PUBLISHED}]}),
    ("gamma", "mighty", {**_ROOM, "capabilities": ["NET_ADMIN", "NET_RAW"]}),
    ("delta", "inner", _ROOM),
    ("omega", "humble", {**_ROOM, "user": "1000"}),
    ("omega", "posing", {"user": "1000",
                         "files": [{"path": "/etc/passwd", "content": "1000:x:0:0::/:/bin/sh\n"}]}),
)  # fmt: skip


@dataclass
class Listening:
    """said: lines that it printed so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    engine: PrivateEngine
    docker: Docker
    program: Program
    host: Listening
    containers: Mapping[str, Mapping[str, Any]]
    """By the service's name, as inspected."""
    stranger: Mapping[str, Any]
    """A container on docker0 that is not ours."""

    def gateway(self, service: str) -> str:
        return str(self._network(service)["Gateway"] or self._first(service))

    def address(self, service: str) -> str:
        return str(self._network(service)["IPAddress"])

    def link_local(self, service: str) -> str:
        """Of the bridge, which has one although the network knows of no IPv6."""
        network = self.docker.get(f"/networks/{self._network(service)['NetworkID']}")
        bridge = network["Options"]["com.docker.network.bridge.name"]
        words = ["ip", "-6", "-o", "address", "show", "dev", bridge, "scope", "link"]
        done = subprocess.run([*self.engine.within, *words], capture_output=True, text=True)
        return done.stdout.split()[3].partition("/")[0] if done.stdout else "fe80::1"

    def _network(self, service: str) -> Mapping[str, Any]:
        (network,) = self.containers[service]["NetworkSettings"]["Networks"].values()
        return dict(network)

    def _first(self, service: str) -> str:
        """An internal network shows no gateway; it has the same one."""
        return self.address(service).rpartition(".")[0] + ".1"

    def shell(self, service: str, script: str) -> str:
        """What it prints, on either stream, inside that service's container."""
        return run_inside(self.docker, self.containers[service]["Id"], script)

    def heard(self, words: str) -> bool:
        """Did the host's datagram listener hear that, since it was asked last?"""
        found = [line for line in self.host.said if words in line]
        for line in found:
            self.host.said.remove(line)
        return bool(found)

    def skyctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """On the host, as its administrator."""
        return subprocess.run(
            [*self.engine.within, *SKYCTL, *words],
            env=self.program.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


def run_inside(docker: Docker, container: str, script: str) -> str:
    made = docker.call(
        "POST",
        f"/containers/{container}/exec",
        json={"Cmd": ["/bin/sh", "-c", script], "AttachStdout": True, "AttachStderr": True,
              "Tty": True},
    )  # fmt: skip
    answer = docker._client.post(
        f"/exec/{made['Id']}/start", json={"Tty": True}, timeout=SHELL_SECONDS
    )
    return answer.text.replace("\r\n", "\n")


@contextmanager
def place() -> Iterator[Place]:
    """Root, nsenter, ip, iptables, dockerd and nft are needed."""
    with ExitStack() as stack:
        root = stack.enter_context(short_directory())
        names = [f"{root.name}-{what}" for what in ("host", "out")]
        stack.enter_context(_networks(*names))
        engine = stack.enter_context(private_engine(root / "engine", names[0]))
        image = ensure_busybox_image(engine.host)
        docker = Docker(str(engine.socket))
        host = stack.enter_context(_listening(engine.within, ON_HOST))
        stack.enter_context(_listening(["nsenter", f"--net=/run/netns/{names[1]}"], ON_OUTSIDE))
        stranger = _stranger(docker, image)
        program = Program(
            root / "state",
            command=[*engine.within, *SKYCTL],
            env={
                "DOCKER_HOST": engine.host,
                "SKYCTL_HOST_PORTS": f"{PUBLISHED}-{PUBLISHED}",
                "SKYCTL_LISTEN": f"127.0.0.1:{METRICS}",
                "SKYCTL_RESYNC_INTERVAL": "1s",
            },
        )
        stack.callback(_finish, program)
        yield _settled(engine, docker, program, host, stranger, image)


def _settled(
    engine: PrivateEngine,
    docker: Docker,
    program: Program,
    host: Listening,
    stranger: Mapping[str, Any],
    image: str,
) -> Place:
    program.start()
    program.sql(
        *(fleet.organization(name, **spec) for name, spec in TENANTS),
        fleet.volume("beta", "data"),
        *(fleet.service(org, name, image, **spec) for org, name, spec in SERVICES),
        "SELECT 1",
    )
    fleet.converge(program)
    found = {
        c["Labels"]["io.skypanel.name"]: docker.inspect(c["Id"])
        for c in docker.containers(program.label)
    }
    return Place(engine, docker, program, host, found, stranger)


def _stranger(docker: Docker, image: str) -> Mapping[str, Any]:
    made = docker.call(
        "POST", "/containers/create", params={"name": "stranger"},
        json={
            "Image": image,
            "Cmd": _SERVES["command"],
            "ExposedPorts": {f"{INSIDE}/tcp": {}},
            "HostConfig": {"PortBindings": {f"{INSIDE}/tcp": [{"HostPort": str(PUBLISHED + 1)}]}},
        },
    )  # fmt: skip
    docker.call("POST", f"/containers/{made['Id']}/start")
    return docker.inspect(made["Id"])


def _finish(program: Program) -> None:
    if program.process is not None:
        program.stop()
    program.end_database()


@contextmanager
def _networks(host: str, outside: str) -> Iterator[None]:
    """Two namespaces, joined by a cable; the host routes the metadata address to the outside."""
    uplink = f"v{os.getpid()}"
    inside, out = ["ip", "-n", host], ["ip", "-n", outside]
    try:
        for words in (
            ["ip", "netns", "add", host],
            ["ip", "netns", "add", outside],
            [*inside, "link", "add", "uplink", "type", "veth", "peer", "name", uplink],
            [*inside, "link", "set", uplink, "netns", outside],
            [*inside, "address", "add", f"{HOST}/24", "dev", "uplink"],
            [*inside, "link", "set", "uplink", "up"],
            [*inside, "link", "set", "lo", "up"],
            [*inside, "route", "add", "default", "via", OUTSIDE],
            [*out, "address", "add", f"{OUTSIDE}/24", "dev", uplink],
            [*out, "address", "add", f"{METADATA}/32", "dev", uplink],
            [*out, "link", "set", uplink, "up"],
            [*out, "link", "set", "lo", "up"],
        ):
            subprocess.run(words, check=True, capture_output=True)
        yield
    finally:
        for name in (host, outside):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@contextmanager
def _listening(within: list[str], words: tuple[str, ...]) -> Iterator[Listening]:
    process = subprocess.Popen(
        [*within, sys.executable, "-m", "tests.e2e.escapes.listeners", *words],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    listening = Listening(process)
    try:
        _wait_ready(process)
        lines = process.stdout
        reader = threading.Thread(
            target=lambda: listening.said.extend(line.strip() for line in lines), daemon=True
        )
        reader.start()
        yield listening
    finally:
        process.stdin.close()
        process.wait(10)


def _wait_ready(process: subprocess.Popen[str], seconds: float = 20.0) -> None:
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(deadline - time.monotonic()), "listeners do not listen"
    assert process.stdout.readline().strip() == "ready"
