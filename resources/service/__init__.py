"""Service: an image that runs in some replicas, on its organization's network.

``spec`` what is declared, ``rules`` what must hold across its fields. ``wanted`` the declaration
resolved, ``revision`` its hash, ``container`` one replica rendered. ``fleet`` sorts what there is,
``drift`` compares it field by field. ``plan`` decides: ``heal`` what should be as it is,
``rollout`` what goes next, ``creation`` makes it, ``one_off`` the preDeploy. ``status`` says it.
"""

from resources.registry import Kind
from resources.service.addressing import addressed_plan, addressed_status
from resources.service.references import refs, scope
from resources.service.spec import ServiceSpec

SERVICE = Kind(
    name="Service",
    plural="Services",
    short="svc",
    namespaced=True,
    model=ServiceSpec,
    refs=refs,
    scope=scope,
    plan=addressed_plan,
    status=addressed_status,
    summary="An image that runs in some replicas, and how.",
)

__all__ = ["SERVICE", "ServiceSpec"]
