"""A certificate authority that really validates, and the DNS that it and the controller ask.

Let's Encrypt's own test authority, pebble, and its scripted DNS server, both on loopback ports of
their own. The authority reaches hostnames at the ports of a Traefik under test.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from controller.ingress.ports import free_port
from resources.x509 import Said, read_der
from tests.e2e.harness import until

PROGRAMS = ("pebble", "pebble-challtestsrv", "openssl")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
ADDRESS = "127.0.0.1"
VALIDITY = 20 * 86400
"""Seconds. Traefik, which takes 90 days for granted, renews such a certificate whenever it looks,
as it does when it starts."""


@dataclass
class Authority:
    """place: for its files. http_port, https_port: where it looks for what proves a hostname."""

    place: Path
    http_port: int = field(default_factory=free_port)
    https_port: int = field(default_factory=free_port)
    dns_port: int = field(default_factory=free_port)
    _dns_control: int = field(default_factory=free_port)
    _port: int = field(default_factory=free_port)
    _control: int = field(default_factory=free_port)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What tells the controller of it."""
        return {
            "SKYCTL_ACME_SERVER": f"https://{ADDRESS}:{self._port}/dir",
            "SKYCTL_ACME_CA_FILE": str(self.place / "api.crt"),
            "SKYCTL_ACME_EMAIL": "certificates@example.com",
            "SKYCTL_DOMAIN_RESOLVERS": f"{ADDRESS}:{self.dns_port}",
            "SKYCTL_DOMAIN_ADDRESSES": ADDRESS,
            "SKYCTL_ACME_RETRY": "3s",
            "SKYCTL_INGRESS": "process",
            "SKYCTL_INGRESS_ADDRESS": ADDRESS,
            "SKYCTL_HTTP_PORT": str(self.http_port),
            "SKYCTL_HTTPS_PORT": str(self.https_port),
        }

    def prepare(self) -> None:
        """Its own certificate, and DNS."""
        self.place.mkdir()
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subject = ["-subj", "/CN=authority", "-addext", f"subjectAltName=IP:{ADDRESS}"]
        files = ["-keyout", "api.key", "-out", "api.crt"]
        subprocess.run(
            ["openssl", "req", "-x509", *key, *subject, *files, "-days", "2"],
            cwd=self.place,
            check=True,
            capture_output=True,
        )
        ports = {"listenAddress": self._port, "managementListenAddress": self._control}
        config = {
            **{name: f"{ADDRESS}:{port}" for name, port in ports.items()},
            "certificate": str(self.place / "api.crt"),
            "privateKey": str(self.place / "api.key"),
            "httpPort": self.http_port,
            "tlsPort": self.https_port,
            "certificateValidityPeriod": VALIDITY,
        }
        (self.place / "pebble.json").write_text(json.dumps({"pebble": config}))
        off = [f"-{name}=" for name in ("http01", "https01", "tlsalpn01", "defaultIPv6")]
        self._run(
            "pebble-challtestsrv",
            *off,
            f"-dns01={ADDRESS}:{self.dns_port}",
            f"-management={ADDRESS}:{self._dns_control}",
            f"-defaultIPv4={ADDRESS}",
        )
        until(lambda: self.say("clear-txt", host="nobody.example.com."), what="DNS answers")

    def start(self) -> None:
        config, resolver = self.place / "pebble.json", f"{ADDRESS}:{self.dns_port}"
        self._run("pebble", f"-config={config}", f"-dnsserver={resolver}")
        until(lambda: self.root, what=f"the authority answers: {self.log[-500:]}")

    def stop(self) -> None:
        self._end("pebble")

    def close(self) -> None:
        for name in list(self._processes):
            self._end(name)

    @property
    def log(self) -> str:
        path = self.place / "pebble.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def orders(self) -> int:
        """How many it was asked for, since it was first started."""
        return self.log.count("/order-plz -> calling")

    @property
    def root(self) -> str:
        """By which its certificates are trusted; another one at each start."""
        answer = httpx.get(
            f"https://{ADDRESS}:{self._control}/roots/0", verify=False, trust_env=False
        )
        return answer.raise_for_status().text

    def say(self, what: str, **words: object) -> bool:
        """To the DNS server's control: set-txt, add-a ..."""
        url = f"http://{ADDRESS}:{self._dns_control}/{what}"
        return httpx.post(url, json=words, trust_env=False).is_success

    def text(self, name: str, value: str) -> None:
        assert self.say("set-txt", host=f"{name}.", value=value)

    def lead(self, name: str, address: str = "") -> None:
        """'': to us again."""
        if address:
            assert self.say("add-a", host=f"{name}.", addresses=[address])
        else:
            assert self.say("clear-a", host=f"{name}.")

    def provider(self) -> Path:
        """A program that sets TXT records, as Traefik's DNS provider ``exec`` calls one."""
        path = self.place / "dns01"
        path.write_text(
            f"#!{sys.executable} -I\nimport json, sys, urllib.request\n"
            "verb = {'present': 'set-txt', 'cleanup': 'clear-txt'}[sys.argv[1]]\n"
            "body = json.dumps({'host': sys.argv[2], 'value': sys.argv[3]}).encode()\n"
            f"url = 'http://{ADDRESS}:{self._dns_control}/' + verb\n"
            "urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, body).read()\n"
        )
        path.chmod(0o755)
        return path

    def _run(self, *command: str) -> None:
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        with (self.place / f"{command[0]}.log").open("ab") as log:
            self._processes[command[0]] = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment
            )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def served(port: int, name: str, root: str = "") -> Said:
    """What is served for that name. root: by which it must be trusted. Raises OSError."""
    context = ssl.create_default_context(cadata=root or None)
    if not root:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((ADDRESS, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return read_der(secured.getpeercert(binary_form=True) or b"")
