"""Which Docker engine would be used, whether it answers, and what it can do.

Only the engine that a controller would use decides (``DOCKER_HOST``, else the usual socket); the
others that are found are named when that one fails.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.cli.doctor.check import Check, note, ok, problem, warning
from controller.cli.doctor.engine_api import NotAnEngine, ask
from controller.engine.docker.endpoint import DEFAULT_HOST, Endpoint, endpoint_from
from resources.errors import UserError

_NAME = "docker"
MINIMUM_API = (1, 40)


@dataclass(frozen=True)
class EngineFacts:
    """What other checks need of the engine: raw lists as the engine gives them."""

    endpoint: Endpoint
    info: Mapping[str, Any]
    networks: Sequence[Mapping[str, Any]] = ()
    containers: Sequence[Mapping[str, Any]] = field(default=())


async def examine(
    environment: Mapping[str, str] | None = None,
) -> tuple[list[Check], EngineFacts | None]:
    env = os.environ if environment is None else environment
    try:
        endpoint = endpoint_from(None, env)
        facts, version = await asyncio.to_thread(_ask_all, endpoint)
    except UserError as error:
        return [problem(_NAME, error.message, *error.suggestions)], None
    except (OSError, NotAnEngine) as error:
        return [await asyncio.to_thread(_failed, endpoint, error, env)], None
    return [_answering(facts, version), *_abilities(facts)], facts


def _ask_all(endpoint: Endpoint) -> tuple[EngineFacts, Mapping[str, Any]]:
    version, info = ask(endpoint, "/version"), ask(endpoint, "/info")
    if not (isinstance(version, dict) and isinstance(info, dict) and info.get("ID")):
        raise NotAnEngine("it does not answer as a Docker engine")
    facts = EngineFacts(
        endpoint,
        info,
        ask(endpoint, "/networks"),
        ask(endpoint, "/containers/json?all=1"),
    )
    return facts, version


def _answering(facts: EngineFacts, version: Mapping[str, Any]) -> Check:
    api = str(version.get("ApiVersion", ""))
    text = (
        f"Docker {version.get('Version')} (API {api}) answers on {facts.endpoint.host}, "
        f"{len(facts.containers)} containers"
    )
    try:
        numbers = tuple(int(part) for part in api.split("."))
    except ValueError:
        numbers = (0,)
    if numbers < MINIMUM_API:
        wanted = ".".join(str(n) for n in MINIMUM_API)
        return problem(_NAME, f"{text}: too old, API {wanted} is needed", "upgrade Docker")
    return ok(_NAME, text)


def _abilities(facts: EngineFacts) -> list[Check]:
    info = facts.info
    missing = [
        what
        for name, what in (
            ("MemoryLimit", "memory"),
            ("CpuCfsQuota", "cpu"),
            ("PidsLimit", "pids"),
            ("SwapLimit", "swap"),
        )
        if info.get(name) is False
    ]
    found = [
        warning(
            "limits",
            f"the kernel does not enforce limits of {', '.join(missing)}",
            "enable the cgroup controllers (kernel options cgroup_enable=memory swapaccount=1)",
        )
        if missing
        else ok("limits", f"cpu, memory, swap and pids (cgroup v{info.get('CgroupVersion', 1)})")
    ]
    found.append(_isolation(info))
    if not info.get("LiveRestoreEnabled") and not info.get("Swarm", {}).get("NodeID"):
        found.append(
            note(
                "live restore",
                "containers stop while the engine itself is restarted",
                'set "live-restore": true in /etc/docker/daemon.json',
            )
        )
    return found


def _isolation(info: Mapping[str, Any]) -> Check:
    options = {
        str(o).partition(",")[0].removeprefix("name=") for o in info.get("SecurityOptions") or ()
    }
    if options & {"userns", "rootless"}:
        how = "rootless" if "rootless" in options else "userns-remap"
        return ok("user namespaces", f"in force ({how})")
    return warning(
        "user namespaces",
        "not in force: root in a container is root on the host, held back by capabilities only",
        'recommended for foreign tenants: "userns-remap": "default" in /etc/docker/daemon.json',
        "containers and volumes made before stay in the other store: decide before going live",
    )


def _failed(endpoint: Endpoint, error: Exception, env: Mapping[str, str]) -> Check:
    chosen = "DOCKER_HOST" if env.get("DOCKER_HOST") else "the usual socket"
    others = [place for place in candidates(env) if place != endpoint.host and _answers(place)]
    suggestions = [f"one answers there: export DOCKER_HOST={place}" for place in others]
    return problem(
        _NAME,
        f"no engine answers on {endpoint.host} ({chosen}): {_reason(endpoint, error)}",
        *suggestions,
        *_advice(endpoint, error),
    )


def _reason(endpoint: Endpoint, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there" if endpoint.socket is None else "the engine is not running"
    return str(error) or type(error).__name__


def _advice(endpoint: Endpoint, error: Exception) -> tuple[str, ...]:
    if isinstance(error, PermissionError):
        return (
            "run as root, or join the group of the socket: sudo usermod -aG docker $USER",
            "then log in anew",
        )
    if endpoint.socket is None:
        return ("check DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH",)
    if isinstance(error, FileNotFoundError):
        return (
            "install and start Docker: apt-get install docker.io",
            "or name another engine: export DOCKER_HOST=tcp://HOST:2376",
        )
    return ("start the engine: systemctl start docker, or dockerd",)


def candidates(env: Mapping[str, str]) -> list[str]:
    """Where engines usually are: system, rootless, Docker Desktop, the CLI's current context."""
    home = Path(env.get("HOME") or Path.home())
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    places = [
        DEFAULT_HOST,
        "unix:///run/docker.sock",
        f"unix://{runtime}/docker.sock",
        f"unix://{home}/.docker/run/docker.sock",
        f"unix://{home}/.docker/desktop/docker.sock",
        *_context_host(home, env),
    ]
    return list(dict.fromkeys(places))


def _context_host(home: Path, env: Mapping[str, str]) -> list[str]:
    """The host of the docker CLI's current context."""
    try:
        config = json.loads((home / ".docker" / "config.json").read_text())
        wanted = env.get("DOCKER_CONTEXT") or config.get("currentContext")
        for meta in (home / ".docker" / "contexts" / "meta").glob("*/meta.json"):
            found = json.loads(meta.read_text())
            if found.get("Name") == wanted:
                return [str(found["Endpoints"]["docker"]["Host"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return []


def _answers(place: str) -> bool:
    try:
        ask(endpoint_from(place, {}), "/version")
    except (OSError, NotAnEngine, UserError):
        return False
    return True
