"""The commands, and what becomes of whatever goes wrong in them: words and an exit code.

Exit codes: 0 done, 1 failed, 2 usage or unreachable; ``diff``: 0 none, 1 differences, 2 anything
else. A command's module is imported when the command is named, so that ``skyctl get`` does not
pay for ``skyctl run``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from controller.cli.failure import Failure, exit_code, report
from resources.errors import UserError

_COMMANDS = {
    "run": "run:run",
    "apply": "apply:apply",
    "diff": "apply:diff",
    "plan": "plan:plan",
    "get": "get:get",
    "describe": "describe:describe",
    "delete": "delete:delete",
    "wait": "wait:wait",
    "events": "events:events",
    "explain": "offline:explain",
    "logs": "logs:logs",
    "exec": "exec:exec_",
    "top": "top:top",
    "rollout": "rollout:app",
    "restart": "operations:restart",
    "pause": "operations:pause",
    "resume": "operations:resume",
    "start": "operations:start",
    "stop": "operations:stop",
    "scale": "operations:scale",
    "guard": "guard:app",
    "adopt": "decisions:adopt",
    "adopt-engine": "decisions:adopt_engine",
    "purge": "decisions:purge",
    "seal": "seal:seal_",
    "status": "decisions:status",
    "validate": "offline:validate",
    "schema": "offline:schema",
    "version": "offline:version",
    "completion": "offline:completion",
    "doctor": "doctor:doctor",
    "host-firewall": "host_firewall:app",
}


class _Commands(MutableMapping[str, Any]):
    """Name -> command, made on first use."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _make(name, _COMMANDS[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        self._made.pop(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


def _make(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    target = getattr(import_module(f"controller.cli.{module}"), attribute)
    if not isinstance(target, typer.Typer):
        function, target = target, _typer()
        target.command(name)(function)
    command = typer.main.get_command(target)
    command.name = name
    return command


class _Root(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)


def _typer(**settings: Any) -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode=None, **settings)


def root() -> Any:
    app = typer.Typer(
        cls=_Root,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    return typer.main.get_command(app)


def _root(
    state_dir: Annotated[
        str | None, typer.Option(help="Where the controller's socket is [SKYCTL_STATE_DIR].")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="http(s)://HOST of a controller [SKYCTL_HOST].")
    ] = None,
) -> None:
    """Declares what shall run on a container engine, and keeps it that way.

    skyctl COMMAND --help tells more. Without a controller: run, doctor, host-firewall, validate,
    schema, explain, version, completion.
    """
    if state_dir:
        os.environ["SKYCTL_STATE_DIR"] = state_dir
    if host:
        os.environ["SKYCTL_HOST"] = host


def invoke(arguments: Sequence[str]) -> int:
    """Runs one command line; returns its exit code."""
    try:
        root().main(list(arguments), prog_name="skyctl")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except Failure as failure:
        report(failure.error, arguments)
        return failure.code
    except UserError as error:
        report(error, arguments)
        return exit_code(error)
    except BrokenPipeError:
        _forget_stdout()
        return 1
    return 0


def _forget_stdout() -> None:
    """The reader of our pipe has gone: the interpreter shall not complain while it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
