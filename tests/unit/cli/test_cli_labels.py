"""``get domain/NAME --labels``: the routing as an operator's own Traefik reads it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.conftest import Run

HEAD = "apiVersion: skypanel.io/v1\nkind: {kind}\nmetadata: {{name: {name}{organization}}}\n"


def manifest(kind: str, name: str, spec: str, organization: str = "labelled") -> str:
    where = f", organization: {organization}" if kind != "Organization" else ""
    return HEAD.format(kind=kind, name=name, organization=where) + f"spec: {spec}\n"


def test_a_domain_as_labels(skyctl: Run, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    web = "{image: 'nginx:1.27', ports: [{containerPort: 8080}], replicas: 0}"
    shop = "{hostname: Shop.Example.com, service: web, sticky: true}"
    file.write_text(
        "---\n".join(
            (
                manifest("Organization", "labelled", "{}"),
                manifest("Service", "web", web),
                manifest("Domain", "shop", shop),
            )
        )
    )
    assert skyctl("apply", "-f", str(file)).code == 0
    found = skyctl("get", "domain/shop", "--org", "labelled", "--labels")
    assert found.code == 0, found.err
    labels = dict(line.split("=", 1) for line in found.lines)
    assert labels["traefik.enable"] == "true"
    rules = [v for k, v in labels.items() if k.endswith(".rule")]
    assert rules == ["Host(`shop.example.com`)"] * 2
    ports = {k: v for k, v in labels.items() if k.endswith("loadbalancer.server.port")}
    assert list(ports.values()) == ["8080"]
    sticky = [k for k in labels if k.endswith("loadbalancer.sticky.cookie.name")]
    assert len(sticky) == 1
    assert "-8080-sticky-" in sticky[0]
    same = skyctl("get", "dom", "shop", "--org", "labelled", "--labels", "-o", "json")
    assert json.loads(same.out).keys() == labels.keys()
    wrong = skyctl("get", "services", "--org", "labelled", "--labels")
    assert wrong.code == 2
    assert "of one Domain" in wrong.err


def test_a_domain_in_a_table(skyctl: Run, tmp_path: Path) -> None:
    test_a_domain_as_labels(skyctl, tmp_path)
    assert skyctl("wait", "domain/shop", "--org", "labelled", "--for", "Accepted").code == 0
    found = skyctl("get", "domains", "--org", "labelled")
    assert found.lines[0].split()[:4] == ["NAME", "PHASE", "READY", "URL"]
    assert "http://shop.example.com" in found.lines[1]
    assert (
        "_skypanel-verify.shop.example.com"
        in skyctl("get", "domain/shop", "--org", "labelled", "-o", "yaml").out
    )
