"""Steps that record something in the store: what was decided, and how far it got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from resources.quota import Claims, Terms, described
from resources.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStep(Step):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(StoreStep):
    """The generation is accepted; the finalizer is put on the row before any side effect.

    claims: recorded along, where terms set no limit to them. Raises RESOURCE_CONFLICT (retryable)
    when the organization's row is not of the terms' generation any more. None: nothing is to be
    recorded, or it has been (``Claim``)."""

    generation: int
    claims: Claims | None = None
    terms: Terms | None = None

    @property
    def target(self) -> str:
        return f"generation {self.generation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealInbox(StoreStep):
    """What waits in the inbox for these keys of a Secret is sealed, and the inbox emptied."""

    keys: tuple[str, ...]

    @property
    def target(self) -> str:
        return ", ".join(self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(StoreStep):
    """Asks for a share of the organization's quota: granted at once, or written down as waiting.
    Decided in one transaction at a time for each organization, together with whoever waits.
    Raises RESOURCE_CONFLICT (retryable) when the terms are outdated, or while claims of others
    have never been recorded."""

    generation: int
    claims: Claims
    terms: Terms

    @property
    def target(self) -> str:
        return described(self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(StoreStep):
    """What it holds is this from now on, without asking: less than before, or what runs already
    and was never counted."""

    generation: int
    claims: Claims

    @property
    def target(self) -> str:
        return described(self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(StoreStep):
    """An Organization's: whoever waits in it and fits now is let in, in order. Raises as
    ``Claim``."""

    terms: Terms

    @property
    def target(self) -> str:
        return f"quota of {self.terms.organization}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRollout(StoreStep):
    generation: int
    revision: str

    @property
    def target(self) -> str:
        return f"generation {self.generation} {self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRollout(StoreStep):
    """outcome: ready | failed | rolledBack | superseded. restarted_at: of what is ready, the
    restart that it was asked for. failure: of what failed, the error in its shape. told: what the
    event says beside the step, like the last lines of a crash."""

    generation: int
    outcome: str
    reason: str = ""
    restarted_at: str = ""
    failure: Mapping[str, Any] | None = None
    told: str = ""

    @property
    def target(self) -> str:
        return f"generation {self.generation} {self.outcome}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPreDeploy(StoreStep):
    """result: 'succeeded' or a failure's text."""

    generation: int
    result: str

    @property
    def target(self) -> str:
        return f"generation {self.generation} {self.result}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveSubnet(StoreStep):
    """Raises RESOURCE_CONFLICT (retryable) when another organization was faster."""

    subnet: str

    @property
    def target(self) -> str:
        return self.subnet


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVolume(StoreStep):
    """From here on the absence of this engine volume is a loss."""

    engine_name: str

    @property
    def target(self) -> str:
        return self.engine_name


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainVolume(StoreStep):
    """The row goes, the data stays. seconds: None until ``skyctl purge``, else the window.
    label_uid: the uid that the engine's volume carries."""

    engine_name: str
    seconds: float | None
    label_uid: str = ""

    @property
    def target(self) -> str:
        return self.engine_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptVolume(StoreStep):
    """Takes a retained volume's data over to this resource. retained_uid: of the former one,
    whose row in ``retained_volumes`` goes (RESOURCE_CONFLICT when it is gone already).
    label_uid: the uid that the engine's volume carries, kept in the record."""

    engine_name: str
    retained_uid: str
    label_uid: str = ""

    @property
    def target(self) -> str:
        return self.engine_name


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDeletion(StoreStep):
    """Of everything in the organization, in one statement."""

    organization: str

    @property
    def target(self) -> str:
        return f"everything in {self.organization}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalize(StoreStep):
    """Nothing of it is left on the engine: the row goes."""

    destructive: ClassVar[bool] = True

    @property
    def target(self) -> str:
        return "row"
