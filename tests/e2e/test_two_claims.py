"""Two organizations and one hostname, in ten orders of events: the first to prove it has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.ingress.binary import find_traefik
from tests.e2e import fleet
from tests.e2e.acme_bed import ADDRESS, MISSING, Authority
from tests.e2e.harness import Program, until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif("SKYCTL_TORTURE" not in os.environ, reason="long; SKYCTL_TORTURE=1 runs it"),
]
ORGANIZATIONS = {"1": "claims1", "2": "claims2"}
ORDERS = {
    "1+ 1p 2+": "1",
    "1+ 2+ 1p 2p": "1",
    "1+ 2+ 2p 1p": "2",
    "2+ 2p 1+": "2",
    "2+ 1+ 1p 2p": "1",
    "2+ 1+ 2p 1p": "2",
    "1+ 1p 2+ 1- 2p": "2",
    "1+ 2+ 2p 1p 2r 1p": "1",
    "1+ 1p 1- 2+ 2p": "2",
    "1+ 1p 2+ 1- 2p 1+": "2",
}
"""Who declares (+), proves (p), deletes (-) or renames (r), one after the other, and who has it."""
ROUNDS = max(len(order.split()) for order in ORDERS)


@pytest.fixture
def authority(place: Path) -> Iterator[Authority]:
    made = Authority(place / "authority")
    try:
        made.prepare()
        yield made
    finally:
        made.close()


class Claims:
    def __init__(self, program: Program, dns: Authority) -> None:
        self.program = program
        self.dns = dns

    def happens(self, number: int, event: str) -> None:
        """And takes effect: what comes after is really later."""
        who, what = event
        organization, name = ORGANIZATIONS[who], f"name{number}"
        if what == "p":
            self._prove(organization, name)
        elif what == "-":
            self.program.sql(fleet.delete("Domain", organization, name), "SELECT 1")
            until(lambda: not self._row(organization, name), what=f"{number}: {event}")
        else:
            host = f"{name}.example.{'org' if what == 'r' else 'com'}"
            spec = {"hostname": host, "service": "web", "tls": {"enabled": False}}
            self.program.sql(fleet.insert("Domain", organization, name, spec), "SELECT 1")
            if what == "+":
                until(lambda: self._told(organization, name), what=f"{number}: {event}")
            else:
                self._prove(organization, name, host)

    def _prove(self, organization: str, name: str, hostname: str = "") -> None:
        """Whoever is refused already has nothing to prove."""
        hostname = hostname or f"{name}.example.com"

        def asked() -> Any:
            status = self.status(organization, name)
            found = (status["verification"] or {}) if status.get("hostname") == hostname else {}
            return found or self.refused(organization, name)

        found = until(asked, seconds=60)
        if isinstance(found, dict):
            self.dns.text(found["record"], found["value"])

    def settle(self, number: int, event: str) -> None:
        """A proof has been seen: it has the name, or somebody else."""
        if event[1] == "p":
            key = ORGANIZATIONS[event[0]], f"name{number}"
            until(
                lambda: self.status(*key)["phase"] == "Active" or self.refused(*key),
                seconds=90,
                what=f"{number}: {event}",
            )

    def refused(self, organization: str, name: str) -> bool:
        error = self.status(organization, name)["error"] or {}
        return error.get("code") == "DOMAIN_CONFLICT"

    def status(self, organization: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._row(organization, name)["status"]
        return found

    def _told(self, organization: str, name: str) -> bool:
        status = self.status(organization, name)
        return bool(status.get("verification")) or self.refused(organization, name)

    def _row(self, organization: str, name: str) -> dict[str, Any]:
        listed = self.program.get("domains", "", "--org", organization)["items"]
        return next((d for d in listed if d["metadata"]["name"] == name), {})


def test_ten_orders(program: Program, authority: Authority, image: str) -> None:
    program.env.update(authority.environment)
    program.env["SKYCTL_ACME_SERVER"] = program.env["SKYCTL_ACME_EMAIL"] = ""
    program.start()
    for who, organization in ORGANIZATIONS.items():
        program.sql(
            fleet.organization(organization),
            fleet.service(
                organization,
                "web",
                image,
                command=["httpd", "-f", "-p", "8080", "-h", "/srv"],
                files=[{"path": "/srv/index.html", "content": who}],
                ports=[{"containerPort": 8080}],
            ),
            "SELECT 1",
        )
    claims = Claims(program, authority)
    for turn in range(ROUNDS):
        events = {
            number: order.split()[turn]
            for number, order in enumerate(ORDERS)
            if turn < len(order.split())
        }
        for number, event in events.items():
            claims.happens(number, event)
        for number, event in events.items():
            claims.settle(number, event)

    with httpx.Client(base_url=f"http://{ADDRESS}:{authority.http_port}", trust_env=False) as web:
        for number, (order, holder) in enumerate(ORDERS.items()):
            host = {"Host": f"name{number}.example.com"}
            until(
                lambda host=host, holder=holder: web.get("/", headers=host).text == holder,
                what=f"{order}: {holder} has it",
            )
            other = ORGANIZATIONS["2" if holder == "1" else "1"]
            row = claims._row(other, f"name{number}")
            gone = not row or row["spec"]["hostname"] != host["Host"]
            assert gone or claims.refused(other, f"name{number}"), order
            assert gone or ORGANIZATIONS[holder] not in str(row["status"]), order
