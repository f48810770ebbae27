"""A resource's share of its organization's quota: is it held, is it to be asked for, is it refused?

The record tells what is held and what was asked for and did not fit; so a pass asks once and then
waits, without a write, until somebody else's leaving (or a higher limit) lets it in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resources.context import Context
from resources.effective import effective
from resources.errors import UserError
from resources.memo import Memo
from resources.meta import Entry
from resources.quota import Admission, Asking, Claims, Terms, covers, exceeded, settle, total, union
from resources.store_steps import Claim, Hold, Settle

if TYPE_CHECKING:
    from resources.organization.spec import OrganizationSpec


@dataclass(frozen=True, slots=True)
class Need:
    """claims: at most, while what is declared is being brought about. pointers: by resource, the
    field that asks for it. note, suggestions: what else people should know if it is refused."""

    claims: Claims
    pointers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    suggestions: Sequence[str] = ()


def terms_of(organization: Entry) -> Terms:
    """Of the declaration in force; of the newest row."""
    resource = organization.resource
    spec: OrganizationSpec | None = effective(organization).spec
    return _TERMS.get(
        resource.uid,
        (resource.key, spec, resource.generation),
        lambda: Terms(
            resource.key.name,
            resource.generation,
            spec.quotas() if spec is not None else {},
            (spec.plan or "") if spec is not None else "",
        ),
    )


def terms_for(context: Context) -> Terms | None:
    """None: it is in no organization, or in none that exists."""
    if not context.key.organization:
        return None
    organization = context.ref("Organization", context.key.organization)
    return terms_of(organization) if organization is not None else None


def held(context: Context) -> Claims:
    admission = context.entry.record.admission
    return admission.claims if admission is not None else {}


def asked(context: Context, need: Need, cause: str) -> Claim | UserError | None:
    """None: what is needed is held, or nothing is limited. A Claim: to be recorded first, then
    looked at again. An error: it was asked for, and does not fit."""
    terms = terms_for(context)
    if terms is None or not terms.limits or covers(held(context), need.claims):
        return None
    admission = context.entry.record.admission
    waiting = admission.waiting if admission is not None else None
    if (
        waiting is not None
        and waiting.generation == context.generation
        and waiting.claims == need.claims
        and waiting.lacking
    ):
        return exceeded(
            terms,
            waiting.lacking,
            pointers=need.pointers,
            note=need.note,
            suggestions=need.suggestions,
        )
    return Claim(generation=context.generation, claims=need.claims, terms=terms, cause=cause)


def holding(context: Context, exact: Claims, *, settled: bool) -> tuple[Hold, ...]:
    """Brings the record in line with what is in force. exact: what that needs in the long run.
    settled: nothing of what was before is left."""
    admission, generation = context.entry.record.admission, context.entry.record.accepted_generation
    if generation is None or terms_for(context) is None:
        return ()
    if admission is None:
        return (Hold(generation=generation, claims=exact, cause="was never counted"),)
    if not covers(admission.claims, exact):
        claims = union(admission.claims, exact)
        return (Hold(generation=generation, claims=claims, cause="the defaults have grown"),)
    if settled and admission.claims != exact:
        return (Hold(generation=generation, claims=exact, cause="no longer needs more"),)
    return ()


# ---------------------------------------------------------------- the organization


def in_force(entry: Entry) -> Admission | None:
    """A request of a generation that is not the newest, or of who is leaving, waits no more."""
    admission, resource = entry.record.admission, entry.resource
    if admission is None or admission.waiting is None:
        return admission
    if admission.waiting.generation == resource.generation and not resource.deleting:
        return admission
    return Admission(admission.generation, admission.claims)


def used(context: Context) -> dict[str, int]:
    """Of an Organization."""
    return total(admission.claims for admission in context.admissions.values())


def settling(context: Context) -> tuple[Settle, ...]:
    """When somebody who waits would be let in now, or is kept out by other numbers."""
    waiting = {uid: admission for uid, admission in context.admissions.items() if admission.waiting}
    if not waiting or context.deleting:
        return ()
    terms = terms_of(context.entry)
    asking = [Asking(u, a.claims, a.waiting) for u, a in waiting.items() if a.waiting is not None]
    outcome = settle(terms.limits, used(context), asking)
    if all(a.waiting is not None and outcome[u] == a.waiting.lacking for u, a in waiting.items()):
        return ()
    admitted = sum(not lacking for lacking in outcome.values())
    cause = f"{admitted} of {len(waiting)} waiting fit now" if admitted else "used otherwise now"
    return (Settle(terms=terms, cause=cause),)


_TERMS: Memo[Terms] = Memo()
