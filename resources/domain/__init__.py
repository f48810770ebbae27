"""Domain: a hostname, and the service that answers there.

``spec`` what is declared, ``values`` and ``hostname`` what may stand in it, ``rules`` what must
hold across its fields. ``admission`` accepts it, ``verifying`` judges what DNS says, ``routing``
renders it for the proxies and ``labels`` for somebody else's. ``standing`` is how far it has come,
``plan`` what is next, ``status`` says it. ``backends`` is what its Service has to know of it, and
``container_labels`` what that one's containers carry where routes are labels.
"""

from __future__ import annotations

from resources.domain.plan import plan
from resources.domain.references import refs, scope
from resources.domain.spec import DomainSpec
from resources.domain.status import status
from resources.registry import Kind

DOMAIN = Kind(
    name="Domain",
    plural="Domains",
    short="dom",
    namespaced=True,
    model=DomainSpec,
    refs=refs,
    scope=scope,
    plan=plan,
    status=status,
    summary="A hostname, and the service that answers there.",
)

__all__ = ["DOMAIN", "DomainSpec"]
