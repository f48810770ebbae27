"""One seed: users, vandals and faults for a while; then quiet; then the oracles, and the comparison
with a run of the same declarations in a perfect world."""

from __future__ import annotations

import asyncio

from tests.sim import oracles
from tests.sim.harness import SHOWN, Simulation, simulate
from tests.sim.quiet import ENOUGH, End, Quiet
from tests.sim.storm import Storm
from tests.sim.story import Story


def play(story: Story) -> Story:
    """Raises AssertionError with seed and trace when an oracle is not content."""
    sim = Simulation(story.seed, story.rates)

    async def scenario(sim: Simulation) -> End:
        storm = Storm(sim, story)
        await storm.rage()
        quiet = Quiet(sim, storm)
        if story.repair:
            await quiet.repair()
        return await quiet.judge()

    end = simulate(sim, scenario)
    story.injected, story.trace = sim.faults.injected, sim.trace.lines()
    found = oracles.difference(end.state, undisturbed(story.seed, end))
    if found:
        told = "\n  ".join(found)
        shown = "\n".join(story.trace[-SHOWN:])
        raise AssertionError(
            f"seed {story.seed}: the end differs from an undisturbed run's "
            f"(here / undisturbed):\n  {told}\n\n{story.rates}\n{shown}"
        )
    return story


def undisturbed(seed: int, end: End) -> oracles.Normal:
    """The end state of the same declarations, made at once in a perfect world."""
    poor = [key for key in end.specs if key not in end.keys]

    async def scenario(sim: Simulation) -> oracles.Normal:
        for key, spec in end.specs.items():
            own = {name: value for name, value in spec.items() if name != "adopt"}
            await sim.apply(key, own, annotations=end.annotations.get(key, {}))
        sim.launch()
        await sim.until(
            lambda: not oracles.faults_of(sim, poor),
            600.0,
            lambda: f"an undisturbed run settles: {oracles.faults_of(sim, poor)}",
        )
        await asyncio.sleep(ENOUGH)
        return oracles.normal(sim, end.keys)

    return simulate(Simulation(seed), scenario)
