"""What the doctor says of the ingress."""

from __future__ import annotations

import json
from pathlib import Path

from controller.cli.doctor import traefik as doctor
from controller.cli.doctor.check import Check
from controller.ingress import ports
from controller.settings import Settings


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


async def test_the_doctor_names_a_port_that_is_taken(taken: int, tmp_path: Path) -> None:
    base = {"state_dir": tmp_path, "ingress_address": "127.0.0.1", "https_port": ports.free_port()}
    found = by_name(await doctor.examine(Settings(http_port=taken, **base), None))
    assert found["ingress ports"].state == "note"
    asked = Settings(http_port=taken, default_domain="apps.localhost", **base)
    found = by_name(await doctor.examine(asked, None))
    assert (found["ingress ports"].state, str(taken) in found["ingress ports"].message) == (
        "problem",
        True,
    )
    free = Settings(http_port=ports.free_port(), **base)
    found = by_name(await doctor.examine(free, None))
    assert found["ingress ports"].state == "ok"


async def test_the_doctor_asks_external_proxies(tmp_path: Path) -> None:
    url = f"http://user:hush@127.0.0.1:{ports.free_port()}"
    told = Settings(state_dir=tmp_path, ingress="external", ingress_apis=url)
    (check,) = await doctor.examine(told, None)
    assert check.state == "problem"
    assert "hush" not in json.dumps([check.message, *check.suggestions])


async def test_the_doctor_looks_at_how_certificates_are_ordered(tmp_path: Path) -> None:
    base = {"state_dir": tmp_path, "ingress_address": "127.0.0.1", "https_port": ports.free_port()}
    for given, state in (
        ({}, "note"),
        ({"acme_email": "a@b.c"}, "warning"),
        ({"acme_email": "a@b.c", "acme_challenge": "dns"}, "problem"),
        (
            {"acme_email": "a@b.c", "acme_challenge": "dns", "acme_dns_provider": "exec"},
            "ok",
        ),
    ):
        told = Settings(http_port=ports.free_port(), **base, **given)
        assert by_name(await doctor.examine(told, None))["certificates"].state == state
