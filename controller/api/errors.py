"""Whatever goes wrong leaves in the contract's shape, with a fitting HTTP status.

The code decides the status, by table; a code that is not there is a refusal of the request (400).
Exceptions that are no ``UserError`` are bugs: logged with their request, shown as INTERNAL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from controller.api.models import ErrorBody
from controller.store.base import Deposed, StoreUnavailable
from resources.errors import UserError

log = structlog.get_logger(__name__)

_STATUS = {
    "RESOURCE_NOT_FOUND": 404,
    "CONFIGURATION_UNKNOWN_KIND": 404,
    "RESOURCE_CONFLICT": 409,
    "RESOURCE_AMBIGUOUS": 409,
    "RESOURCE_OWNED_ELSEWHERE": 409,
    "RESOURCE_BEING_DELETED": 409,
    "RESOURCE_PROTECTED": 409,
    "RESOURCE_QUOTA_EXCEEDED": 409,
    "DEPLOYMENT_NOT_RUNNING": 409,
    "DEPLOYMENT_NOTHING_TO_UNDO": 409,
    "CONFIGURATION_ENGINE_UNREACHABLE": 503,
    "CONFIGURATION_ENGINE_TIMEOUT": 503,
    "CONFIGURATION_STORE_UNAVAILABLE": 503,
    "CONFIGURATION_REQUEST_TOO_LARGE": 413,
    "CONFIGURATION_METHOD_NOT_ALLOWED": 405,
    "CONFIGURATION_NO_SUCH_ROUTE": 404,
    "INTERNAL": 500,
}


def to_user_error(error: BaseException) -> UserError:
    """The contract's error for anything raised while answering."""
    match error:
        case UserError():
            return error
        case StoreUnavailable():
            return UserError(
                "CONFIGURATION_STORE_UNAVAILABLE",
                f"the store cannot be reached: {error}"
                if str(error)
                else "the store cannot be reached",
                suggestions=["check PostgreSQL; skyctl doctor tests the connection"],
                retryable=True,
            )
        case Deposed():
            return UserError(
                "RESOURCE_CONFLICT", "another controller has taken over", retryable=True
            )
        case TimeoutError():
            return UserError("CONFIGURATION_TIMEOUT", "the answer took too long", retryable=True)
        case _:
            return UserError("INTERNAL", "an internal error; the controller's log has it")


def status_of(error: UserError) -> int:
    if error.code in _STATUS:
        return _STATUS[error.code]
    if error.code.startswith("CONFIGURATION_") and error.retryable:
        return 503
    return 400


def error_response(error: UserError, status: int | None = None) -> Response:
    body = ErrorBody.model_validate(error.to_dict())
    return Response(
        body.model_dump_json(by_alias=True),
        status_code=status_of(error) if status is None else status,
        media_type="application/json",
    )


def install(app: FastAPI) -> None:
    """Handlers for everything, unknown routes and our own bugs included."""
    for kind in (UserError, StoreUnavailable, Deposed, TimeoutError):
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


async def _known(_request: Request, error: Exception) -> Response:
    return error_response(to_user_error(error))


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(_request_error(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = _HTTP.get(error.status_code, ("CONFIGURATION_INVALID_REQUEST", "{detail}"))
    text = message.format(
        method=request.method, path=request.url.path[:200], detail=str(error.detail)
    )
    suggestions = [_elsewhere(request)] if error.status_code == 404 else []
    return error_response(UserError(code, text, suggestions=suggestions), error.status_code)


def _elsewhere(request: Request) -> str:
    if request.app.openapi_url:
        return f"GET {request.app.openapi_url} lists what there is"
    return "here are /metrics, /healthz and /readyz; everything else is on the socket"


_HTTP = {
    400: (
        "CONFIGURATION_INVALID_REQUEST",
        "the body cannot be read: it is not UTF-8, or nested too deeply",
    ),
    404: ("CONFIGURATION_NO_SUCH_ROUTE", "there is no {path}"),
    405: ("CONFIGURATION_METHOD_NOT_ALLOWED", "{method} is not possible on {path}"),
    413: ("CONFIGURATION_REQUEST_TOO_LARGE", "the request is too large"),
}


async def _bug(request: Request, error: Exception) -> Response:
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return error_response(to_user_error(error))


def _request_error(problems: Sequence[Any]) -> UserError:
    """One error with a JSON pointer per problem; the first one is the message."""
    found = [_problem(p) for p in problems[:20]]
    first = found[0] if found else {"pointer": "", "message": "it cannot be read"}
    where = f"{first['pointer']}: " if first["pointer"] else ""
    body = any(p["loc"][:1] == ("body",) for p in problems)
    return UserError(
        "CONFIGURATION_INVALID_REQUEST",
        f"the request is invalid: {where}{first['message']}",
        details={"problems": found},
        suggestions=["send a JSON object as application/json; GET /openapi.json describes it"]
        if body
        else [],
    )


def _problem(problem: Any) -> dict[str, str]:
    location = list(problem["loc"])
    if problem["type"] == "json_invalid":
        at = location[1] if len(location) > 1 else 0
        return {"pointer": "", "message": f"the body is no JSON (character {at})"}
    text = _SENTENCES.get(problem["type"], "{msg}").format(msg=_lowered(str(problem["msg"])))
    return {"pointer": _pointer(location), "message": text}


_SENTENCES = {
    "extra_forbidden": "unknown field",
    "missing": "is required",
    "model_attributes_type": "expected an object",
    "dict_type": "expected an object",
    "list_type": "expected a list",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "bool_parsing": "expected true or false",
    "string_type": "expected text",
    "too_short": "may not be empty",
}


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _pointer(location: Sequence[Any]) -> str:
    """``('body', 'manifests', 0)`` -> ``/manifests/0``; of a parameter its name."""
    place, *rest = location or ("",)
    parts = [str(part).replace("~", "~0").replace("/", "~1")[:100] for part in rest]
    if place == "body":
        return "".join("/" + part for part in parts)
    return f"{place} parameter {'.'.join(parts)}"
