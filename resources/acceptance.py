"""Accepting a generation: the first thing that a plan does, before any side effect."""

from __future__ import annotations

from resources.context import Context
from resources.meta import FINALIZER
from resources.quota import Claims
from resources.share import terms_for
from resources.store_steps import Accept


def acceptance(context: Context, claims: Claims | None = None) -> tuple[Accept, ...]:
    """Nothing while the newest generation is refused, or when it has been accepted already.
    claims: what it holds from then on, where the organization limits nothing."""
    if context.rejection is not None:
        return ()
    before = context.entry.record.accepted_generation
    if before == context.generation and FINALIZER in context.entry.resource.finalizers:
        return ()
    if before is None:
        cause = "new"
    elif before == context.generation:
        cause = "its finalizer is missing"
    else:
        cause = f"spec changed since generation {before}"
    terms = terms_for(context)
    if claims is None or terms is None or terms.limits:
        return (Accept(generation=context.generation, cause=cause),)
    return (Accept(generation=context.generation, claims=claims, terms=terms, cause=cause),)
