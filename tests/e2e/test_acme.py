"""A certificate from order to visitor, with a real authority that really validates."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.ingress.binary import find_traefik
from tests.e2e import fleet
from tests.e2e.acme_bed import ADDRESS, MISSING, Authority, served
from tests.e2e.harness import Program, until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]
HOST = "shop.example.com"
LONG = os.environ.get("SKYCTL_TORTURE") is not None


@pytest.fixture
def authority(place: Path) -> Iterator[Authority]:
    made = Authority(place / "authority")
    try:
        made.prepare()
        yield made
    finally:
        made.close()


@pytest.fixture
def platform(program: Program, authority: Authority) -> Iterator[Program]:
    """Not started yet."""
    program.env.update(authority.environment)
    yield program
    log = program.state_dir / "ingress" / "traefik.log"
    if log.exists():
        print("\n".join(line for line in log.read_text().splitlines() if " ERR " in line))


def declare(program: Program, image: str, **domain: Any) -> None:
    program.sql(
        fleet.organization("certified"),
        fleet.service(
            "certified",
            "web",
            image,
            command=["httpd", "-f", "-p", "8080", "-h", "/www"],
            ports=[{"containerPort": 8080}],
        ),
        fleet.insert("Domain", "certified", "shop", {"service": "web", "hostname": HOST, **domain}),
        "SELECT 1",
    )


def status(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.get("domain", "shop", "--org", "certified")["status"]
    return found


def certificate(program: Program) -> dict[str, Any]:
    return status(program)["certificate"] or {}


def visit(authority: Authority, host: str) -> int:
    """Over HTTPS, whoever signed for it."""
    url = f"https://{ADDRESS}:{authority.https_port}/"
    options = {"headers": {"Host": host}, "extensions": {"sni_hostname": host}}
    with httpx.Client(verify=False, trust_env=False) as client:
        return client.get(url, **options).status_code


def test_nothing_is_ordered_before_its_time(
    platform: Program, authority: Authority, image: str
) -> None:
    """The proof, the address, an authority that is away at first, the certificate."""
    authority.start()
    authority.lead(HOST, "192.0.2.99")
    platform.start()
    declare(platform, image)
    until(lambda: "found none" in status(platform)["message"], what=platform.log[-2000:])
    verification = status(platform)["verification"]
    record, value = verification["record"], verification["value"]
    assert record == f"_skypanel-verify.{HOST}"
    assert f"TXT record {record}: expected {value}, found none" in status(platform)["message"]

    authority.text(record, value)
    elsewhere = f"{HOST} leads to 192.0.2.99; expected {ADDRESS}"
    until(lambda: elsewhere in status(platform)["message"])
    assert authority.orders == 0

    authority.stop()
    authority.lead(HOST)
    until(lambda: "connection refused" in (certificate(platform)["lastError"] or ""))
    assert certificate(platform)["nextAttempt"]
    until(lambda: visit(authority, HOST) == 200)

    authority.start()
    until(lambda: served(authority.https_port, HOST, authority.root), seconds=60)
    until(lambda: certificate(platform)["issuer"].startswith("Pebble Intermediate CA"))
    told = certificate(platform)
    assert (told["names"], told["lastError"], told["nextAttempt"]) == ([HOST], None, None)
    assert told["notAfter"]
    until(
        lambda: status(platform)["message"] == f"answers at https://{HOST}:{authority.https_port}"
    )
    assert authority.orders == 1


def made(place: Path, *names: str) -> dict[str, str]:
    """A Secret's values: a certificate for these names that nobody trusts, and its key."""
    subject = ["-subj", f"/CN={names[0]}", "-addext", f"subjectAltName=DNS:{',DNS:'.join(names)}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = [place / "made.key", place / "made.crt"]
    where = ["-keyout", str(files[0]), "-out", str(files[1])]
    command = ["openssl", "req", "-x509", *key, *subject, *where, "-days", "2"]
    subprocess.run(command, check=True, capture_output=True)
    return {"tls.key": files[0].read_text(), "tls.crt": files[1].read_text()}


def test_a_certificate_is_for_names_of_its_organization_alone(
    platform: Program, authority: Authority, image: str, place: Path
) -> None:
    """A proxy that has one for a name, or for a wildcard, orders none: whoever proved that name
    would have another's shown to his visitors."""
    platform.env["SKYCTL_DOMAIN_VERIFICATION"] = "none"
    authority.start()
    platform.start()
    wild = {"data": made(place, "a.example.com", "*.example.com")}
    both = {"data": made(place, HOST, "www.example.com")}
    custom = {"service": "web", "tls": {"issuer": "custom", "secret": "both"}}
    own = {**custom, "hostname": "a.example.com", "tls": {"issuer": "custom", "secret": "wild"}}
    www = {**custom, "hostname": "www.example.com"}
    platform.sql(
        fleet.organization("certified"),
        fleet.insert("Secret", "certified", "wild", wild),
        fleet.insert("Secret", "certified", "both", both),
        "SELECT 1",
    )
    declare(platform, image, **custom)
    refused = "a certificate also for www.example.com, which this organization has not proven"
    until(lambda: refused in status(platform)["error"]["message"], what=platform.log[-2000:])
    platform.sql(
        fleet.insert("Domain", "certified", "www", www),
        fleet.insert("Domain", "certified", "own", own),
        "SELECT 1",
    )
    until(lambda: "www.example.com" in served(authority.https_port, HOST).names)
    until(lambda: certificate(platform)["names"] == [HOST, "www.example.com"])

    platform.sql(fleet.delete("Domain", "certified", "www"), "SELECT 1")
    platform.sql(*other(image, "b.example.com", "www.example.com"), "SELECT 1")
    for name in ("b.example.com", "www.example.com"):
        found = until(
            lambda name=name: served(authority.https_port, name, authority.root), seconds=60
        )
        assert found.names == (name,)
    until(lambda: refused in status(platform)["error"]["message"])


def other(image: str, *hostnames: str) -> list[str]:
    """Another organization with Domains of its own."""
    command = ["httpd", "-f", "-p", "8080", "-h", "/www"]
    ports = [{"containerPort": 8080}]
    return [
        fleet.organization("uncertified"),
        fleet.service("uncertified", "web", image, command=command, ports=ports),
        *(
            fleet.insert(
                "Domain", "uncertified", f"d{number}", {"service": "web", "hostname": hostname}
            )
            for number, hostname in enumerate(hostnames)
        ),
    ]


def test_what_others_publish_orders_nothing(
    platform: Program, authority: Authority, image: str
) -> None:
    """Traefik orders whatever is missing at each change of its configuration, and authorities count
    failures: Let's Encrypt allows five for a hostname in an hour. Nor does a restart order."""
    platform.env |= {"SKYCTL_DOMAIN_VERIFICATION": "none", "SKYCTL_ACME_RETRY": "1h"}
    authority.start()
    authority.lead(HOST, "127.0.0.9")
    platform.start()
    declare(platform, image)
    failed = "acme:error:connection"
    until(lambda: failed in (certificate(platform)["lastError"] or ""), seconds=60)
    first = certificate(platform)
    assert authority.orders == 1
    plain = {"service": "web", "hostname": "beside.example.com", "tls": {"enabled": False}}
    for number in range(10):
        path = {"pathPrefix": f"/p{number}", "stripPrefix": True}
        platform.sql(fleet.insert("Domain", "certified", "beside", {**plain, **path}), "SELECT 1")
        until(lambda number=number: answers(authority, f"/p{number}"), what=f"{number} is served")
    print(f"orders after ten publications of another: {authority.orders}")
    platform.stop()
    platform.start()
    platform.sql(fleet.insert("Domain", "certified", "beside", plain), "SELECT 1")
    until(lambda: answers(authority, "/"))
    time.sleep(3)
    print(f"and after a restart: {authority.orders}")
    assert authority.orders == 1
    assert certificate(platform)["nextAttempt"] == first["nextAttempt"]


def answers(authority: Authority, path: str) -> bool:
    url = f"http://{ADDRESS}:{authority.http_port}{path}"
    return httpx.get(url, headers={"Host": "beside.example.com"}, trust_env=False).is_success


@pytest.mark.skipif(not LONG, reason="long; SKYCTL_TORTURE=1 runs it")
@pytest.mark.parametrize("challenge", ["http", "tls", "dns"])
def test_every_way_to_prove_it_to_the_authority(
    platform: Program, authority: Authority, image: str, challenge: str
) -> None:
    """And it outlives Traefik. One that starts renews; by HTTP-01 perhaps only later, as it
    may have no routes yet when it tries."""
    hostname, name = HOST, HOST
    platform.env["SKYCTL_ACME_CHALLENGE"] = challenge
    platform.env["SKYCTL_DOMAIN_VERIFICATION"] = "none"
    if challenge == "dns":
        hostname, name = "*.example.com", "anything.example.com"
        settings = authority.place / "environment"
        settings.write_text(f"EXEC_PATH={authority.provider()}\n")
        platform.env["SKYCTL_ACME_ENVIRONMENT_FILE"] = str(settings)
        platform.env["SKYCTL_ACME_DNS_PROVIDER"] = "exec"
        platform.env["SKYCTL_ACME_DNS_CHECK"] = "false"  # this DNS server knows no SOA
    authority.start()
    platform.start()
    declare(platform, image, hostname=hostname)
    until(lambda: authority.orders, seconds=60, what="an order is made")
    began = time.monotonic()
    first = until(lambda: served(authority.https_port, name, authority.root), seconds=60)
    print(f"{challenge}: {time.monotonic() - began:.1f} s from the order to the certificate")
    assert first.names == (hostname,)
    until(lambda: certificate(platform)["names"] == [hostname])

    platform.end_traefik()
    until(
        lambda: served(authority.https_port, name, authority.root) != first or challenge == "http",
        seconds=60,
        what="it is renewed",
    )
    until(lambda: visit(authority, name) == 200)


@pytest.mark.skipif(not LONG, reason="long; SKYCTL_TORTURE=1 runs it")
def test_a_lost_certificate_store_is_made_anew(
    platform: Program, authority: Authority, image: str
) -> None:
    """Traefik serves on from memory; one that starts orders again, and the status tells of it."""
    platform.env["SKYCTL_DOMAIN_VERIFICATION"] = "none"
    authority.start()
    platform.start()
    declare(platform, image)
    first = until(lambda: served(authority.https_port, HOST, authority.root), seconds=60)
    (store,) = platform.state_dir.rglob("acme.json")
    store.unlink()
    assert served(authority.https_port, HOST, authority.root) == first
    began = time.monotonic()
    platform.end_traefik()
    until(lambda: certificate(platform).get("names") != [HOST], what="its loss is told")
    print(f"told after {time.monotonic() - began:.1f} s: {certificate(platform)}")
    until(lambda: visit(authority, HOST) == 200)
    second = until(lambda: served(authority.https_port, HOST, authority.root), seconds=90)
    print(f"served again after {time.monotonic() - began:.1f} s")
    assert second != first
    assert store.exists()
    until(lambda: certificate(platform)["names"] == [HOST], seconds=60)
    print(platform.sql("SELECT type, reason, message FROM skyctl.events WHERE kind = 'Domain'"))
