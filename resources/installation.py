"""What the controller that leads runs by, and what it knows of its engine: facts that a
CaasConfiguration's plan and status need beside its row."""

from __future__ import annotations

from dataclasses import dataclass

from resources.errors import UserError


@dataclass(frozen=True, slots=True)
class InForce:
    """uid and generation: of the row that was taken, '' and 0 while none is. overruled: JSON
    pointer of a field -> the variable that beats it, sorted. problem: why the newest generation
    was not taken."""

    uid: str = ""
    generation: int = 0
    overruled: tuple[tuple[str, str], ...] = ()
    problem: UserError | None = None


NOTHING = InForce()


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """state: connected | disconnected | error (another engine answers). id, version, reach: as it
    last said. reason: why it is not connected."""

    state: str = "disconnected"
    version: str = ""
    id: str = ""
    reach: str = ""
    reason: str = ""

    def document(self) -> dict[str, str]:
        return {
            "state": self.state,
            "version": self.version,
            "id": self.id,
            "reach": self.reach,
        }


UNASKED = EngineStatus(reason="it was not asked yet")
