"""A second Traefik in front of ours, as an operator's balancer is: it passes everything on, and
tries again what did not reach ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from controller.ingress.binary import find_traefik
from controller.ingress.ports import free_port
from tests.e2e.harness import short_directory, until


@contextmanager
def front(behind: int, hostname: str) -> Iterator[int]:
    """Its port."""
    port = free_port()
    with short_directory() as place:
        process = subprocess.Popen([find_traefik(), f"--configFile={_files(place, port, behind)}"])
        try:
            until(lambda: _answers(port, hostname), seconds=30, what="the one in front answers")
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _files(place: Path, port: int, behind: int) -> Path:
    routes, static = place / "routes.yml", place / "static.yml"
    router = {"rule": "PathPrefix(`/`)", "service": "ours", "middlewares": ["again"]}
    again = {"retry": {"attempts": 5, "initialInterval": "100ms"}}
    ours = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{behind}"}]}}
    http = {"routers": {"all": router}, "middlewares": {"again": again}, "services": {"ours": ours}}
    routes.write_text(json.dumps({"http": http}))
    static.write_text(
        json.dumps(
            {
                "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
                "entryPoints": {"web": {"address": f"127.0.0.1:{port}"}},
                "providers": {"file": {"filename": str(routes)}},
                "log": {"filePath": str(place / "log")},
            }
        )
    )
    return static


def _answers(port: int, hostname: str) -> bool:
    with suppress(httpx.HTTPError):
        answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": hostname}, timeout=5)
        return answer.status_code == 200
    return False
