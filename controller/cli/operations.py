"""``restart``, ``pause``, ``resume``, ``start``, ``stop``, ``scale``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from controller.cli.client import connect
from controller.cli.failure import Misuse
from controller.cli.options import (
    Org,
    Output,
    OutputFormat,
    Reference,
    ServiceReference,
    Timeout,
    organization,
    output_format,
    seconds,
)
from controller.cli.options import service as parse_service
from controller.cli.output import print_done, short_name, structured
from controller.cli.waiting import Awaited, Judgement, ready, wait_for

Wait = Annotated[bool, typer.Option("--wait", help="Until it is done.")]


def _post(
    reference: Reference, operation: str, org: str | None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    path = f"/resources/{reference.kind}/{reference.name}/{operation}"
    with connect() as client:
        return client.post(path, body, organization=organization(org))


def _told(answer: dict[str, Any], done: str, already: str, form: OutputFormat) -> dict[str, Any]:
    resource: dict[str, Any] = answer["resource"]
    what = already if answer["action"] == "unchanged" else done
    print_done(form, f"{short_name(resource)} {what}", answer)
    return resource


def target_of(resource: dict[str, Any]) -> Awaited:
    metadata = resource["metadata"]
    return Awaited(
        resource["kind"],
        metadata.get("organization") or "",
        metadata["name"],
        metadata["uid"],
        metadata["generation"],
    )


def restart(
    service: ServiceReference,
    wait: Wait = False,
    timeout: Timeout = "5m",
    org: Org = None,
    output: Output = None,
) -> None:
    """Replace a service's containers, as its update order says."""
    form, patience = output_format(output), seconds(timeout)
    resource = _told(
        _post(parse_service(service), "restart", org), "restarting", "restarting", form
    )
    if wait:
        before = _revision(resource)
        wait_for([target_of(resource)], _after(before), patience, quiet=structured(form))


def _revision(resource: dict[str, Any]) -> str | None:
    rollout = (resource.get("status") or {}).get("rollout") or {}
    revision = rollout.get("revision")
    return str(revision) if revision else None


def _after(revision: str | None) -> Any:
    """Ready, with another revision than before: a restart leaves the generation as it is. What the
    status said before is no failure of the restart; one that fails goes back to where it was."""
    begun = False

    def judge(target: Awaited, document: dict[str, Any] | None) -> Judgement:
        nonlocal begun
        found = ready(target, document)
        same = document is not None and _revision(document) == revision
        begun = begun or not same or revision is None
        if found.state == "pending" or (begun and not (found.state == "done" and same)):
            return found
        return Judgement("pending", "waiting for the new containers")

    return judge


def pause(
    service: ServiceReference,
    reason: Annotated[str, typer.Option(help="Why; shown in its status.")] = "paused by skyctl",
    org: Org = None,
    output: Output = None,
) -> None:
    """Change and heal nothing of a service until it is resumed; its status goes on."""
    form = output_format(output)
    answer = _post(parse_service(service), "pause", org, {"reason": reason})
    _told(answer, "paused", "is paused", form)


def resume(service: ServiceReference, org: Org = None, output: Output = None) -> None:
    """Undo a pause."""
    form = output_format(output)
    _told(_post(parse_service(service), "resume", org), "resumed", "was not paused", form)


def start(
    service: ServiceReference,
    wait: Wait = False,
    timeout: Timeout = "5m",
    org: Org = None,
    output: Output = None,
) -> None:
    """Run a stopped service again."""
    form, patience = output_format(output), seconds(timeout)
    resource = _told(
        _post(parse_service(service), "start", org), "starting", "is not stopped", form
    )
    if wait:
        wait_for([target_of(resource)], ready, patience, quiet=structured(form))


def stop(
    service: ServiceReference,
    wait: Wait = False,
    timeout: Timeout = "5m",
    org: Org = None,
    output: Output = None,
) -> None:
    """Stop a service; its containers and its data are kept."""
    form, patience = output_format(output), seconds(timeout)
    resource = _told(
        _post(parse_service(service), "stop", org), "stopping", "is stopped already", form
    )
    if wait:
        wait_for([target_of(resource)], ready, patience, quiet=structured(form))


def scale(
    service: ServiceReference,
    replicas: Annotated[
        int | None, typer.Option("--replicas", min=0, max=100, help="How many shall run.")
    ] = None,
    wait: Wait = False,
    timeout: Timeout = "5m",
    org: Org = None,
    output: Output = None,
) -> None:
    """Change how many replicas of a service run: scale service/web --replicas 3."""
    form, patience = output_format(output), seconds(timeout)
    if replicas is None:
        raise Misuse("how many?", "skyctl scale service/NAME --replicas 3")
    answer = _post(parse_service(service), "scale", org, {"replicas": replicas})
    resource = _told(answer, f"scaled to {replicas}", f"has {replicas} already", form)
    if wait:
        wait_for([target_of(resource)], ready, patience, quiet=structured(form))
