"""The quickstart's hostname: a Domain under .localhost, with a certificate made here.

Written once into the state directory, as manifests beside those of examples/quickstart, so that a
second run finds all as it was. The ports are chosen at the first run and kept. The authority's key
is not kept: who trusts its certificate trusts this one hostname and nothing that comes later.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DOMAIN = "localhost"
ADDRESS = "127.0.0.1"
HTTP_PORTS, HTTPS_PORTS = range(8080, 8088), range(8443, 8463)
DAYS = 800
RENEWED_BEFORE = 30 * 86400
"""Seconds before its end at which a run makes another one."""


@dataclass(frozen=True)
class Hostname:
    """manifests: the directory with its Domain. authority: by which its certificate is trusted;
    None: there is none, so it answers over HTTP only."""

    name: str
    manifests: Path
    http_port: int
    https_port: int
    authority: Path | None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SKYCTL_DEFAULT_DOMAIN": DEFAULT_DOMAIN,
            "SKYCTL_INGRESS_ADDRESS": ADDRESS,
            "SKYCTL_HTTP_PORT": str(self.http_port),
            "SKYCTL_HTTPS_PORT": str(self.https_port),
        }

    @property
    def http(self) -> str:
        return f"http://{self.name}:{self.http_port}/"

    @property
    def https(self) -> str:
        return f"https://{self.name}:{self.https_port}/"


def prepare(home: Path, organization: str, service: str, given: Mapping[str, str]) -> Hostname:
    """home: made where it is missing. given: settings of the environment that win."""
    domain = given.get("SKYCTL_DEFAULT_DOMAIN") or DEFAULT_DOMAIN
    name = f"{service}.{organization}.{domain}"
    manifests = home / "manifests"
    manifests.mkdir(parents=True, exist_ok=True, mode=0o700)
    http, https = _ports(home / "ports.json")
    authority = _certified(home, manifests, organization, name)
    spec = {"hostname": name, "service": service, "redirectHttps": False}
    secret = {"issuer": "custom", "secret": SECRET}
    spec["tls"] = secret if authority is not None else {"enabled": False}
    _declare(manifests / "domain.json", "Domain", organization, service, spec)
    return Hostname(
        name,
        manifests,
        int(given.get("SKYCTL_HTTP_PORT") or http),
        int(given.get("SKYCTL_HTTPS_PORT") or https),
        authority,
    )


SECRET = "localhost-certificate"


def _ports(path: Path) -> tuple[int, int]:
    if not path.exists():
        chosen = [_free(HTTP_PORTS), _free(HTTPS_PORTS)]
        path.write_text(json.dumps(chosen))
    http, https = json.loads(path.read_text())
    return int(http), int(https)


def _free(ports: range) -> int:
    """The first that nobody listens on; where all are taken, the first: the controller says so."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    return ports[0]


def _certified(home: Path, manifests: Path, organization: str, name: str) -> Path | None:
    """The authority's certificate, made together with the hostname's where that is missing or ends
    soon. None: there is no openssl to make it with."""
    authority, made = home / "ca.pem", home / "made.json"
    declared = manifests / "certificate.json"
    if declared.exists() and authority.exists() and _lasting(made, name):
        return authority
    if shutil.which("openssl") is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        chain, key, root = _issued(Path(directory), name)
    authority.write_text(root)
    data = {"tls.crt": chain, "tls.key": key}
    _declare(declared, "Secret", organization, SECRET, {"data": data})
    made.write_text(json.dumps({"name": name, "ends": time.time() + DAYS * 86400}))
    return authority


def _lasting(made: Path, name: str) -> bool:
    try:
        known = json.loads(made.read_text())
    except (OSError, ValueError):
        return False
    return bool(known["name"] == name and known["ends"] - time.time() > RENEWED_BEFORE)


def _issued(directory: Path, name: str) -> tuple[str, str, str]:
    """Certificate, its key, and the authority's certificate, which may sign for this name alone."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (directory / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n"
        "[dn]\nCN=SkyPanel quickstart on this machine\n"
        "[ext]\nbasicConstraints=critical,CA:true,pathlen:0\n"
        "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        f"nameConstraints=critical,permitted;DNS:{name}\n"
    )
    (directory / "leaf").write_text(
        f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:false\n"
        "keyUsage=critical,digitalSignature\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    days = ("-days", str(DAYS))
    root = ("-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-x509", "-config", "ca.cnf", *key, *days, *root)
    openssl(
        *("req", "-config", "ca.cnf", *key, "-subj", f"/CN={name}"[:68]),
        *("-keyout", "leaf.key", "-out", "leaf.csr"),
    )
    openssl(
        *("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", *days),
        *("-CAcreateserial", "-extfile", "leaf", "-out", "leaf.pem"),
    )
    chain, private, root_ = (
        (directory / name).read_text() for name in ("leaf.pem", "leaf.key", "ca.pem")
    )
    return chain, private, root_


def _declare(path: Path, kind: str, organization: str, name: str, spec: object) -> None:
    """Left alone where it says so already."""
    document = {
        "apiVersion": "skypanel.io/v1",
        "kind": kind,
        "metadata": {"name": name, "organization": organization},
        "spec": spec,
    }
    text = json.dumps(document, indent=2) + "\n"
    if path.exists() and path.read_text() == text:
        return
    path.touch(mode=0o600)
    path.write_text(text)
