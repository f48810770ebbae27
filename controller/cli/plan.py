"""``skyctl plan``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from controller.cli.client import connect
from controller.cli.complete import complete_reference
from controller.cli.options import All, Org, Output, Selector, organization, output_format
from controller.cli.options import references as parsed
from controller.cli.output import print_data
from controller.cli.steps import heading, print_plan_lines, print_resumed

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KIND/NAME]...", autocompletion=complete_reference),
]


def plan(
    references: Words = None,
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
) -> None:
    """What the next pass would do, and why. Nothing is changed."""
    form, where = output_format(output), organization(org, every)
    with connect() as client:
        found: list[dict[str, Any]] = []
        for reference in parsed(references) if references else [None]:
            answer = client.get(
                "/plan",
                kind=reference.kind if reference else None,
                name=reference.name if reference else None,
                organization=where,
                labelSelector=selector,
            )
            found += answer["plans"]
    if form in ("json", "yaml"):
        print_data({"plans": found}, form)
        return
    _print(found, named=bool(references))


def _print(plans: list[dict[str, Any]], *, named: bool) -> None:
    """Converged ones are only counted, unless they were asked for by name."""
    busy = [p for p in plans if p["steps"] or p["drift"] or p["wait"] or p["problem"]]
    for body in plans if named else busy:
        print(heading(body) + ("" if body in busy else ": nothing to do"))
        print_plan_lines(body)
        if body.get("resumed") is not None:
            print_resumed(body)
    steps = sum(len(p["steps"]) for p in plans)
    print(
        f"{steps} step{'' if steps == 1 else 's'} for {len(busy)} of {len(plans)} resources"
        if busy
        else f"nothing to do for {len(plans)} resources"
    )
