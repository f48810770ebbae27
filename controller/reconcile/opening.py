"""Sealed values are opened here, right before the one call that needs them, and nowhere else.

The step that was planned, logged and shown keeps its sealed values; a copy with the plain ones goes
to the engine and is forgotten. An engine that quotes one of them in its refusal is not quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from resources.container_spec import FileContent
from resources.errors import UserError
from resources.routing.htpasswd import line
from resources.sealed import Login, Sealed
from resources.steps import CreateContainer, PullImage, PutFiles, Step

HIDDEN = "(secret)"
NOBODY = "*"
"""No hash at all."""
_SHORTEST = 4
"""Characters; what is shorter would be found in any sentence."""

Open = Callable[[Sealed], str]


def opened(step: Step, open_: Open) -> Step:
    """The step itself when nothing in it is sealed. Raises UserError SECRET_*."""
    match step:
        case CreateContainer(spec=spec) if spec.sealed or spec.users:
            plain = {name: open_(value) for name, value in spec.sealed.items()}
            users = {name: _users(found, open_) for name, found in spec.users.items()}
            whole = replace(
                spec,
                environment={**spec.environment, **plain},
                sealed={},
                labels={**spec.labels, **users},
                users={},
            )
            return replace(step, spec=whole)
        case PutFiles(files=files) if any(file.sealed for file in files):
            return replace(step, files=tuple(_file(file, open_) for file in files))
        case PullImage(credentials=sealed) if sealed is not None:
            return replace(step, login=Login(open_(sealed.username), open_(sealed.password)))
    return step


def _users(sealed: Iterable[Sealed], open_: Open) -> str:
    """Who has no usable password is let in by none: the container is not the Domain's alone."""
    return ",".join(_line(each, open_(each)) for each in sealed)


def _line(sealed: Sealed, value: str) -> str:
    try:
        return line(sealed, value)
    except ValueError:
        return f"{sealed.key}:{NOBODY}"


def _file(file: FileContent, open_: Open) -> FileContent:
    if file.sealed is None:
        return file
    return replace(file, content=open_(file.sealed), sealed=None)


def discreet(error: UserError, step: Step, plain: Step) -> UserError:
    """The error without what was opened. step: as planned; plain: as carried out."""
    values = [value for value in _values(step, plain) if len(value) >= _SHORTEST]
    if not values:
        return error
    return UserError(
        error.code,
        _without(error.message, values),
        details=_without(error.details, values),
        suggestions=_without(list(error.suggestions), values),
        retryable=error.retryable,
    )


def _values(step: Step, plain: Step) -> Iterable[str]:
    match step, plain:
        case CreateContainer(), CreateContainer():
            yield from (plain.spec.environment[name] for name in step.spec.sealed)
            yield from (plain.spec.labels[name] for name in step.spec.users)
        case PutFiles(), PutFiles():
            for before, after in zip(step.files, plain.files, strict=True):
                if before.sealed is not None:
                    yield after.content
        case PullImage(), PullImage(login=login) if login is not None:
            yield login.password
            if login.username not in step.reference:  # else the reference could not be told
                yield login.username


def _without(told: Any, values: Iterable[str]) -> Any:
    if isinstance(told, str):
        for value in values:
            told = told.replace(value, HIDDEN)
        return told
    if isinstance(told, dict):
        return {name: _without(item, values) for name, item in told.items()}
    if isinstance(told, list | tuple):
        return [_without(item, values) for item in told]
    return told
