"""Image pulls: a long stream of JSON lines, in which the error also arrives.

Credentials go along in a header of the one request, so the engine keeps none.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from controller.engine.base import PullProgress
from controller.engine.docker import faults
from controller.engine.docker.wire import Wire, segment
from resources.errors import UserError
from resources.sealed import Login
from resources.steps import PullImage

REPORT_EVERY = 0.25
"""Seconds between two reports of one pull."""

OnPull = Callable[[PullProgress], None]


class ImagePuller:
    def __init__(self, wire: Wire, timeout: float, report: OnPull) -> None:
        self._wire = wire
        self._timeout = timeout
        self._report = report

    async def pull_image(self, step: PullImage) -> None:
        """Done when the engine has the image. Raises UserError IMAGE_*."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._follow(step)
        except UserError as error:
            raise faults.signed_in(error, step.reference) if step.login else error from None
        except TimeoutError as error:
            raise faults.too_slow(step.reference, self._timeout) from error
        except aiohttp.ClientError as error:
            raise self._wire.translate("pull_image", error, step.reference) from error

    async def ask_registry(self, step: PullImage) -> str:
        """As ``Engine.ask_registry``."""
        try:
            reply = await self._wire.call(
                "ask_registry",
                "GET",
                f"distribution/{segment(step.reference)}/json",
                subject=step.reference,
                headers=authorization(step.login),
            )
        except UserError as error:
            raise faults.signed_in(error, step.reference) if step.login else error from None
        return str(reply.json()["Descriptor"]["digest"])

    async def _follow(self, step: PullImage) -> None:
        reference = step.reference
        name, tag = split(reference)
        params = {"fromImage": name, "tag": tag}
        layers, clock, due = Layers(), asyncio.get_running_loop().time, 0.0
        async with self._wire.stream(
            "pull_image",
            "POST",
            "images/create",
            params=params,
            headers=authorization(step.login),
            subject=reference,
        ) as response:
            async for line in _lines(response):
                if "error" in line:
                    raise faults.refused("pull_image", 200, str(line["error"]), reference)
                layers.note(line)
                if clock() >= due:
                    due = clock() + REPORT_EVERY
                    self._report(layers.progress(step, str(line.get("status") or "")))
        self._report(layers.progress(step, "done"))


def authorization(login: Login | None) -> dict[str, str]:
    """The header that the engine hands on to the registry of the image that is asked for."""
    if login is None:
        return {}
    told = orjson.dumps({"username": login.username, "password": login.password})
    return {"X-Registry-Auth": base64.urlsafe_b64encode(told).decode()}


def split(reference: str) -> tuple[str, str]:
    """Name and tag or digest; without either ``latest``, since none would pull every tag."""
    name, at, digest = reference.partition("@")
    if at:
        return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name, digest
    head, colon, tag = reference.rpartition(":")
    if colon and "/" not in tag:
        return head, tag
    return reference, "latest"


@dataclass(slots=True)
class Layers:
    """Bytes fetched and wanted, layer by layer, and which layers are whole."""

    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    known: dict[str, bool] = field(default_factory=dict)

    def note(self, line: dict[str, Any]) -> None:
        layer, detail = line.get("id"), line.get("progressDetail") or {}
        if not layer:
            return
        match line.get("status"):
            case "Pulling fs layer" | "Waiting":
                self.known.setdefault(layer, False)
            case "Already exists":
                self.known[layer] = True
            case "Downloading":
                self.known.setdefault(layer, False)
                self.sizes[layer] = (detail.get("current") or 0, detail.get("total") or 0)
            case "Download complete" | "Pull complete" as status:
                self.known[layer] = status == "Pull complete"
                if layer in self.sizes:
                    total = self.sizes[layer][1]
                    self.sizes[layer] = (total, total)

    def progress(self, step: PullImage, status: str) -> PullProgress:
        return PullProgress(
            step.reference,
            status,
            current=sum(current for current, _ in self.sizes.values()),
            total=sum(total for _, total in self.sizes.values()),
            pull=step.identity,
            layers=len(self.known),
            layers_done=sum(self.known.values()),
        )


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for raw in response.content:
        if raw.strip():
            yield orjson.loads(raw)
