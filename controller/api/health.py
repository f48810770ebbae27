"""The three routes that the TCP listener serves: /metrics, /healthz, /readyz."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from controller.api.lookup import CoreOf
from controller.api.models import Shape
from controller.metrics import REGISTRY

router = APIRouter(tags=["health"])


class ReadyBody(Shape):
    """role: leader, standby or starting. reasons: what is missing; empty when ready."""

    ready: bool
    role: str
    reasons: list[str]


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """The process is alive and its event loop turns."""
    return "ok\n"


@router.get("/readyz", responses={503: {"model": ReadyBody}})
async def readyz(core: CoreOf, response: Response) -> ReadyBody:
    """200 once the store and the engine are connected and the first listing is done."""
    readiness = core.readiness()
    response.status_code = 200 if readiness.ready else 503
    return ReadyBody(ready=readiness.ready, role=readiness.role, reasons=list(readiness.reasons))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics() -> Response:
    """Prometheus text. Rendered beside the event loop: ten thousand services make a long page."""
    page = await asyncio.to_thread(generate_latest, REGISTRY)
    return Response(page, media_type=CONTENT_TYPE_LATEST)
