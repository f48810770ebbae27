"""A request's body has a limit, whether its length is announced or not."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.errors import error_response
from resources.errors import UserError


class BodyLimit:
    """ASGI middleware. limit: bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._announced(scope) > self._limit:
            await error_response(self._refusal())(scope, receive, send)
        else:
            await self._app(scope, self._counting(receive), send)

    @staticmethod
    def _announced(scope: Scope) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return 0

    def _counting(self, receive: Receive) -> Receive:
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self._limit:
                raise HTTPException(413)
            return message

        return counted

    def _refusal(self) -> UserError:
        return UserError(
            "CONFIGURATION_REQUEST_TOO_LARGE",
            f"the request is larger than {self._limit} bytes",
            details={"limit": self._limit},
            suggestions=["send fewer manifests at a time"] if self._limit else [],
        )
