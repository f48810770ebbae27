"""What a seed decides about a whole run, and what came of it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace

from tests.sim.faults import CALM, Rates


@dataclass
class Story:
    """What a seed decides about the whole run, and what came of it."""

    seed: int
    rates: Rates = CALM
    vandalism: float = 0.0
    controllers: int = 1
    repair: bool = True
    seconds: float = 60.0
    actions: int = 10
    injected: Counter[str] = field(default_factory=Counter)
    operations: int = 0
    settled_after: float = 0.0
    trace: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int) -> Story:
        source = random.Random(f"story {seed}")
        kind, rates = source.random(), Rates.drawn(source)
        if kind < 0.1:
            rates = CALM
        elif kind < 0.25:
            rates = replace(CALM, freeze_call=source.choice((0.02, 0.05)))
        return cls(
            seed,
            rates=rates,
            vandalism=source.choice((0.0, 0.0, 5.0, 15.0)),
            controllers=2 if rates.freeze_call else source.choice((1, 1, 2)),
            repair=source.random() < 0.7,
            seconds=source.uniform(20.0, 100.0),
            actions=source.randrange(5, 40),
        )
