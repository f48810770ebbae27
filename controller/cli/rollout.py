"""``skyctl rollout status|history|undo``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from controller.cli.client import connect
from controller.cli.failure import FAILED
from controller.cli.operations import target_of
from controller.cli.options import (
    Org,
    Output,
    Reference,
    ServiceReference,
    Timeout,
    organization,
    output_format,
    seconds,
)
from controller.cli.options import service as parse_service
from controller.cli.output import print_data, print_done, short_name, structured
from controller.cli.text import age, clean, render_table
from controller.cli.waiting import Awaited, Judgement, ready, wait_for
from resources.errors import UserError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="The rollouts of a service: how the last one goes, what there was, and going back.",
)


@app.command()
def status(
    service: ServiceReference,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Until it is complete, or has failed.")
    ] = True,
    timeout: Timeout = "10m",
    org: Org = None,
    output: Output = None,
) -> None:
    """How the newest rollout goes. Exit 1: it failed, was rolled back, or is not complete."""
    form, patience, reference = output_format(output), seconds(timeout), parse_service(service)
    resource = _read(reference, org)
    target, silent = target_of(resource), structured(form)
    failure: UserError | None = None
    if watch:
        try:
            wait_for([target], _complete, patience, quiet=silent)
        except UserError as error:
            failure = error
        resource = _read(reference, target.organization) if silent else resource
    if silent:
        print_data((resource.get("status") or {}).get("rollout") or {}, form)
    if failure is not None:
        raise failure
    if watch:
        return
    found = _complete(target, resource)
    if not silent:
        print(f"{target.label}: {found.text}")
    if found.state != "done":
        raise typer.Exit(FAILED)


def _read(reference: Reference, org: str | None) -> dict[str, Any]:
    with connect() as client:
        return client.get(
            f"/resources/{reference.kind}/{reference.name}", organization=organization(org)
        )


def _complete(target: Awaited, document: dict[str, Any] | None) -> Judgement:
    """As Ready, and with the rollout's own word when it ended badly or waits for somebody."""
    found = ready(target, document)
    rollout = ((document or {}).get("status") or {}).get("rollout") or {}
    if found.state == "done" or rollout.get("state") not in ("rolledBack", "paused"):
        return found
    status = (document or {}).get("status") or {}
    if (status.get("observedGeneration") or 0) < target.generation:
        return found
    text = f"{rollout['state']}: {rollout.get('message') or 'see describe'}"
    return Judgement("failed", text, UserError("DEPLOYMENT_ROLLOUT", f"{target.label} {text}"))


@app.command()
def history(service: ServiceReference, org: Org = None, output: Output = None) -> None:
    """The generations that were declared, oldest first, and what each changed."""
    form, reference = output_format(output), parse_service(service)
    path = f"/resources/{reference.kind}/{reference.name}/revisions"
    with connect() as client:
        items: list[dict[str, Any]] = client.get(path, organization=organization(org))["items"]
    if form in ("json", "yaml"):
        print_data({"items": items}, form)
    else:
        print(revisions_table(items))


def revisions_table(items: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{item['generation']}{'*' if item['current'] else ''}",
            age(item["at"]),
            item["by"] or "",
            "yes" if item["accepted"] else "no",
            item["rollout"] or "",
            "; ".join(item["changes"]) or ("first" if index == 0 else "nothing"),
        ]
        for index, item in enumerate(items)
    ]
    return render_table(("GENERATION", "AGE", "BY", "ACCEPTED", "ROLLOUT", "CHANGES"), rows)


@app.command()
def undo(
    service: ServiceReference,
    to: Annotated[
        int | None,
        typer.Option(
            "--to", min=1, help="This generation; default: the one that was Ready before."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is Ready.")] = False,
    timeout: Timeout = "5m",
    org: Org = None,
    output: Output = None,
) -> None:
    """Declare again what an earlier generation declared: by default the last one that was Ready."""
    form, patience, reference = output_format(output), seconds(timeout), parse_service(service)
    path = f"/resources/{reference.kind}/{reference.name}/undo"
    with connect() as client:
        answer = client.post(path, {"generation": to}, organization=organization(org))
    resource = answer["resource"]
    if answer["action"] == "unchanged":
        print_done(form, f"{short_name(resource)} is as it was in generation {to}", answer)
        return
    generation = resource["metadata"]["generation"]
    print_done(form, clean(f"{short_name(resource)} undone, as generation {generation}"), answer)
    if wait:
        wait_for([target_of(resource)], ready, patience, quiet=structured(form))
