"""What a Volume takes of its organization's quota: itself, and its declared size.

Where the organization's storage is limited, a volume without a size would be a way around it.
"""

from __future__ import annotations

from resources.context import Context
from resources.errors import UserError
from resources.quota import EXCEEDED, Claims
from resources.share import Need, asked, terms_for
from resources.store_steps import Claim
from resources.volume.spec import VolumeSpec


def claims(spec: VolumeSpec) -> Claims:
    return {"storage": spec.size or 0, "volumes": 1}


def refused(context: Context) -> Claim | UserError | None:
    """Of a generation that was not accepted yet: what has to be asked first, or why it is not."""
    if context.rejection is not None:
        return None
    if context.entry.record.accepted_generation == context.generation:
        return None
    terms = terms_for(context)
    if terms is not None and "storage" in terms.limits and context.spec.size is None:
        return UserError(
            EXCEEDED,
            f"organization {terms.organization} has a quota of storage, so spec.size must be given",
            details={
                "resource": "storage",
                "limit": terms.limits["storage"],
                "used": None,
                "requested": None,
                "plan": terms.plan or None,
                "organization": terms.organization,
                "pointer": "/spec/size",
            },
            suggestions=["set spec.size, like '1Gi'"],
        )
    need = Need(claims(context.spec), {"storage": "/spec/size"})
    return asked(context, need, f"generation {context.generation}")
