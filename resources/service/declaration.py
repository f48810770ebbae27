"""Which declaration is in force: the newest if it may be, else the one that was accepted last.

A generation is refused because it cannot be read (then observe hands us the earlier model), or
because what it refers to is not there or not allowed. Either way what was accepted before keeps
running and being healed. A generation once accepted is not asked again: what it refers to may go,
and that is then a problem of making containers, not of the declaration.
"""

from __future__ import annotations

from dataclasses import dataclass

from resources.context import Context
from resources.effective import accepted
from resources.errors import UserError
from resources.service.admission import refusal
from resources.service.spec import ServiceSpec


@dataclass(frozen=True, slots=True)
class ServiceDeclaration:
    """spec None: nothing may run yet. generation: of spec. earlier: spec was read from the
    record, a newer one is refused. problem: why the newest generation is refused."""

    spec: ServiceSpec | None
    generation: int
    earlier: bool = False
    problem: UserError | None = None


def declaration(context: Context) -> ServiceDeclaration:
    record, generation = context.entry.record, context.generation
    if context.rejection is not None or context.spec is None:
        return ServiceDeclaration(
            context.spec, context.effective_generation, problem=context.rejection
        )
    if record.accepted_generation == generation:
        return ServiceDeclaration(context.spec, generation)
    problem = refusal(context, context.spec)
    return (
        ServiceDeclaration(context.spec, generation)
        if problem is None
        else refused(context, problem)
    )


def refused(context: Context, problem: UserError) -> ServiceDeclaration:
    """What runs instead: the one accepted before, if there is any."""
    record = context.entry.record
    earlier: ServiceSpec | None = accepted(context.entry)
    if earlier is None or record.accepted_generation is None:
        return ServiceDeclaration(None, context.generation, problem=problem)
    return ServiceDeclaration(earlier, record.accepted_generation, True, problem)
