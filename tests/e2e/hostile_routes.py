"""Hostile values of Domains, given by SQL to the real program: refused with words, or served as
exactly the literal; and what Traefik has loaded afterwards is valid. ``python -m
tests.e2e.hostile_routes`` prints the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from controller.ingress.process import running
from resources.finding import shown
from tests.e2e import fleet
from tests.e2e.harness import short_directory, until
from tests.e2e.stage import ORG, Stage, stage
from tests.unit.domain.hostile import BASE, HEADERS, LITERAL, REFUSED, TARGETS, at

REFUSED_USERS = ("one\ntwo", "", "x" * 300, "$2y$31$" + "a" * 53)
USERS = ("pa:ss`{{ . }}\\\"'", "other:$apr1$abcdefgh$" + "a" * 22, "$apr1$", "b\u00fccher", " ")
"""Values of a Secret that basic authentication uses."""
SETTLED = "SELECT 1 FROM skyctl.resource_view WHERE kind = 'Domain' AND NOT settled"
PLAIN = {"service": "web", "tls": {"enabled": False}}


@dataclass(frozen=True)
class Case:
    """literal: '' where it is to be refused, else what is to come of it."""

    name: str
    place: str
    value: Any
    spec: Mapping[str, Any]
    literal: str = ""
    user: str | None = None


@dataclass(frozen=True)
class Outcome:
    ready: bool
    message: str


def cases() -> Iterator[Case]:
    for number, (pointer, value, _) in enumerate(REFUSED):
        yield Case(f"refused{number}", pointer, value, at(pointer, value))
    taken: set[str] = set()
    for number, (pointer, value, _, literal) in enumerate(LITERAL):
        spec = {**at(pointer, value), **PLAIN}
        if pointer == "/hostname":
            if literal in taken:  # the same name, written otherwise: a path of its own
                spec["pathPrefix"] = f"/again{number}"
            taken.add(literal)
        else:
            spec["hostname"] = f"literal{number}.example.test"
        yield Case(f"literal{number}", pointer, value, spec, literal or "/")
    headers = {"headers": {"request": HEADERS, "response": HEADERS}}
    yield Case("headers", "/middlewares/headers", HEADERS, _with("headers", headers), "as it is")
    for number, to in enumerate(TARGETS):
        spec = _with(f"to{number}", {"redirect": {"to": to}})
        yield Case(f"to{number}", "/middlewares/redirect/to", to, spec, to)
    for number, value in enumerate((*REFUSED_USERS, *USERS)):
        spec = _with(f"user{number}", {"basicAuth": {"secret": f"user{number}"}})
        literal = "lets in" if value in USERS else ""
        yield Case(f"user{number}", "basicAuth's Secret", value, spec, literal, value)


def _with(name: str, middlewares: Mapping[str, Any]) -> dict[str, Any]:
    return {**BASE, **PLAIN, "hostname": f"{name}.example.test", "middlewares": middlewares}


def play(stage: Stage) -> Sequence[tuple[Case, Outcome]]:
    all_ = list(cases())
    stage.sql(*(statement for case in all_ for statement in _statements(case)))
    until(lambda: not stage.program.sql(SETTLED), seconds=120, what="all are looked at")
    until(lambda: not _waiting(stage, all_), seconds=60, what="what is accepted is served")
    return [(case, _outcome(stage, case)) for case in all_]


def _statements(case: Case) -> Iterator[str]:
    if case.user is not None:
        yield fleet.insert("Secret", ORG, case.name, {"data": {"alice": case.user}})
    yield fleet.insert("Domain", ORG, case.name, case.spec)


def _waiting(stage: Stage, all_: Sequence[Case]) -> list[tuple[str, str]]:
    found = [(case, _outcome(stage, case)) for case in all_ if case.literal]
    return [(case.name, outcome.message) for case, outcome in found if not outcome.ready]


def _outcome(stage: Stage, case: Case) -> Outcome:
    (row,) = stage.program.sql(
        "SELECT ready, message, status->'error'->>'message' AS error FROM skyctl.resource_view "
        f"WHERE kind = 'Domain' AND organization = '{ORG}' AND name = '{case.name}'"
    )
    return Outcome(bool(row["ready"]), row["error"] or row["message"] or "")


def loaded(stage: Stage) -> dict[str, str]:
    """Every router and middleware that Traefik has, and what is wrong with it ('' nothing)."""
    (proxy,) = running(stage.ingress.resolve())
    token = (stage.ingress / "api-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    found: dict[str, str] = {}
    for kind in ("routers", "services", "middlewares"):
        url = f"http://127.0.0.1:{proxy.api_port}/api/http/{kind}?per_page=10000"
        for one in httpx.get(url, headers=headers, timeout=10).json():
            wrong = "; ".join(one.get("error", ())) if one["status"] != "enabled" else ""
            found[f"{kind}/{one['name']}"] = wrong
    return found


def visit(stage: Stage, case: Case, end: str = "", **options: Any) -> httpx.Response:
    """end: of the host that is asked for."""
    host = case.literal if case.place == "/hostname" else str(case.spec["hostname"])
    host = host.replace("*", "anything") + end
    url = f"http://127.0.0.1:{stage.port}{case.spec.get('pathPrefix', '/')}"
    return httpx.get(url, headers={"Host": host}, timeout=10, **options)


def complaints(stage: Stage) -> list[str]:
    log = (stage.ingress / "traefik.log").read_text()
    return [line for line in log.splitlines() if " ERR " in line]


def table(rows: Sequence[tuple[Case, Outcome]]) -> str:
    lines = ["| where | value | outcome |", "| --- | --- | --- |"]
    for case, found in rows:
        value = shown(case.value if isinstance(case.value, str) else json.dumps(case.value))
        outcome = f"literally: {case.literal}" if found.ready else f"refused: {found.message}"
        lines.append(f"| {case.place} | `{value}` | {shown_line(outcome)} |")
    return "\n".join(lines)


def shown_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:200]


if __name__ == "__main__":
    with short_directory() as here, stage(here) as own:
        print(table(play(own)))
        what = loaded(own)
        print(f"{len(what)} parts are loaded, {sum(map(bool, what.values()))} with an error")
        print("\n".join(complaints(own)))
