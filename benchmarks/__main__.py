"""``python -m benchmarks [a b c ...] [--pairs N] [--json FILE]``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks import (
    contest,
    converge,
    crashing,
    healing,
    latency,
    rollout,
    routing,
    scale,
    standing,
)
from benchmarks.bare import Recorded, record
from benchmarks.measure import Measure, save, table
from benchmarks.rig import Rig
from tests.images import ensure_busybox_image

ROWS = "abcdefghijk"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help="which rows (default: all)", metavar="ROW")
    parser.add_argument("--pairs", type=int, default=10, help="interleaved repetitions")
    parser.add_argument("--services", type=int, default=50, help="services of one convergence")
    parser.add_argument("--standing", type=int, default=200, help="containers of the idle rows")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    given = parser.parse_args(arguments)
    rows = list(dict.fromkeys("".join(given.rows))) or list(ROWS)
    if unknown := [row for row in rows if row not in ROWS]:
        parser.error(f"there is no row {unknown[0]!r}; there are {' '.join(ROWS)}")
    rig = Rig(
        engine=os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"),
        image=ensure_busybox_image(),
        pairs=given.pairs,
        services=given.services,
        standing=given.standing,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    measures = uvloop.run(measured(rig, rows))
    print(table(measures))
    if given.json:
        settings = {"pairs": rig.pairs, "services": rig.services, "standing": rig.standing}
        save(given.json, measures, settings)
    return 0


async def measured(rig: Rig, rows: Sequence[str]) -> list[Measure]:
    found: list[Measure] = []
    recorded: Recorded | None = await record(rig) if set("adghij") & set(rows) else None
    if "a" in rows and recorded is not None:
        found += await converge.measure(rig, recorded)
    if "c" in rows:
        found += await latency.measure(rig)
    if "d" in rows and recorded is not None:
        found += await healing.measure(rig, recorded)
    if {"b", "f"} & set(rows):
        found += await standing.measure(rig, rows)
    if "e" in rows:
        found += await scale.measure(rig)
    if "g" in rows and recorded is not None:
        found += await contest.measure(rig, recorded)
    if "h" in rows and recorded is not None:
        found += await rollout.measure(rig, recorded)
    if "i" in rows and recorded is not None:
        found += await crashing.measure(rig, recorded)
    if {"j", "k"} & set(rows):
        found += await routing.measure(rig, recorded, rows)
    return sorted(found, key=lambda measure: measure.row)


if __name__ == "__main__":
    raise SystemExit(main())
