"""The two applications: everything, for the socket; three read-only routes, for TCP."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI

from controller.api import (
    apply,
    decisions,
    errors,
    events,
    exec,
    health,
    logs,
    operations,
    resources,
    sealing,
    settings,
    top,
    watch,
)
from controller.api.limits import BodyLimit
from controller.api.models import ErrorBody
from controller.core import Core

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request; a spec alone may have 256 KiB."""

_ROUTERS = (
    apply.router,
    resources.router,
    operations.router,
    decisions.router,
    sealing.router,
    settings.router,
    events.router,
    watch.router,
    logs.router,
    top.router,
    exec.router,
)
_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request or its object is at fault"},
    "5XX": {"model": ErrorBody, "description": "The store, the engine or we are"},
}


def create_app(core: Core) -> FastAPI:
    """Everything. For the socket, whose file permissions are the access control."""
    app = FastAPI(
        title="skypanel-controller",
        version=core.version,
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    app.state.core = core
    app.state.closing = asyncio.Event()
    app.state.readings = watch.Readings(core)
    app.state.spec_lock = asyncio.Lock()
    errors.install(app)
    app.add_middleware(BodyLimit, limit=MAX_BODY)
    app.include_router(health.router)
    for router in _ROUTERS:
        app.include_router(router, prefix="/v1")
    return app


def create_public_app(core: Core) -> FastAPI:
    """/metrics, /healthz and /readyz, and nothing else."""
    app = FastAPI(
        title="skypanel-controller",
        version=core.version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.core = core
    errors.install(app)
    app.add_middleware(BodyLimit, limit=0)
    app.include_router(health.router)
    return app
