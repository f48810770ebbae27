"""Steps that change what the proxies are told."""

from __future__ import annotations

from dataclasses import dataclass

from resources.routing.document import Document
from resources.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStep(Step):
    """A call of the ingress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRoutes(RouteStep):
    """Replaces what the owner has published before, in one write."""

    document: Document

    @property
    def target(self) -> str:
        return self.document.name


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRoutes(RouteStep):
    """uid: the owner's."""

    uid: str
    name: str

    @property
    def target(self) -> str:
        return self.name
