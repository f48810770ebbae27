"""Service among the kinds. Apart from the package, parts of which a Domain needs."""

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
