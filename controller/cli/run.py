"""``skyctl run``: the controller itself, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from resources.errors import UserError


def run(
    manifests: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]DIR", help="A directory of manifests; may be repeated."),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="PostgreSQL of the store [SKYCTL_DATABASE_URL]; default: a private one."),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="For the socket, keys and database [SKYCTL_STATE_DIR].")
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="For /metrics, /healthz, /readyz; '' for none."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Converge, then exit.")] = False,
    log_format: Annotated[str | None, typer.Option(help="console or json.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning, error.")] = None,
) -> None:
    """Run the controller until it is told to stop. Containers go on running without it."""
    from controller.api.server import serve
    from controller.logging import configure
    from controller.settings import load_settings
    from controller.sources.manifests import directories as read_directories
    from controller.start import run as run_controller

    directories = read_directories(manifests or ())
    settings = load_settings(
        database_url=database_url,
        state_dir=state_dir.absolute() if state_dir else None,
        listen=listen,
        log_format=log_format,
        log_level=log_level,
    )
    configure(settings.log_format, settings.log_level)
    _in_loop(run_controller(settings, manifests=directories, once=once, serve=serve))


def _in_loop(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop. What ends it is told as one error, not as a group of them."""
    import uvloop

    from controller.store.base import StoreUnavailable

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except* (UserError, StoreUnavailable) as group:
        raise _told(_leaf(group)) from group


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _told(error: BaseException) -> UserError:
    if isinstance(error, UserError):
        return error
    return UserError(
        "CONFIGURATION_STORE_UNAVAILABLE",
        f"the store cannot be reached: {error}",
        suggestions=["check --database-url", "test the connection: skyctl doctor"],
        retryable=True,
    )
