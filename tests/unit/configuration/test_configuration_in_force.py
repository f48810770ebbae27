"""What a process is built from: flags and environment over the row over defaults, and what happens
to that when the row cannot be taken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.configuration import KEY, Configuration
from controller.sealing import Vault
from controller.settings import Settings
from resources.meta import Key, Manifest
from resources.store_steps import Accept
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.store import FakeStore


class Bed:
    def __init__(self, state_dir: Path, **given: Any) -> None:
        self.store = FakeStore()
        self.vault = Vault(self.store, MemoryKeyring(1))
        self.given = Settings(state_dir=state_dir, **given)
        self.configuration = Configuration(self.store, self.given, self.vault)

    async def declare(self, spec: dict[str, Any], source: str = "api") -> None:
        await self.store.apply(Manifest(KEY, spec), source=source)
        self.configuration.heard(KEY)

    async def secret(self, name: str, *, accept: bool = True, **data: str) -> None:
        await self.vault.prepare()
        key = Key("Secret", "", name)
        before = await self.store.entry(key)
        manifest = await self.vault.sealed(
            Manifest(key, {"data": data}), before.resource if before else None
        )
        await self.store.apply(manifest, source="api")
        if accept:
            await self.accept(key)
        self.configuration.heard(key)

    async def accept(self, key: Key = KEY) -> None:
        entry = await self.store.entry(key)
        assert entry is not None
        step = Accept(generation=entry.resource.generation, cause="test")
        lease = self.store.leadership("test")
        epoch = await lease.acquire()
        await self.store.record(entry.resource.uid, [step], epoch=epoch)
        await lease.release()

    async def built(self) -> Settings:
        """Waits until something else is to be built, and builds it."""
        async with asyncio.timeout(5):
            await self.configuration.changed(lambda: None)
        self.configuration.begun()
        return self.configuration.current.settings


@pytest.fixture(autouse=True)
def _no_engine_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)


async def test_the_row_beats_defaults_and_what_is_given_beats_the_row(tmp_path: Path) -> None:
    bed = Bed(tmp_path, http_port=1080)
    await bed.declare(
        {
            "ingress": {"mode": "external", "httpPort": 2080, "httpsPort": 2443,
                        "external": {"apis": ["http://a:1", "http://b:2"]}},
            "hostPorts": {"allow": True, "range": "30000-30009"},
            "domains": {"verification": "none", "addresses": ["192.0.2.1"]},
            "massChange": {"maxPercent": 12.5},
        }
    )  # fmt: skip
    await bed.configuration.load()
    found = bed.configuration.current
    assert (found.settings.http_port, found.settings.https_port) == (1080, 2443)
    assert found.settings.ingress == "external"
    assert found.settings.ingress_apis == "http://a:1,http://b:2"
    assert found.settings.host_port_range == (30000, 30009)
    assert found.settings.domain_verification == "none"
    assert found.settings.mass_change_percent == 12.5
    assert found.in_force.overruled == (("/spec/ingress/httpPort", "SKYCTL_HTTP_PORT"),)
    assert "http_port" not in found.configured
    assert "https_port" in found.configured


async def test_ports_of_the_host_only_with_leave(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    await bed.declare({"hostPorts": {"allow": False, "range": "30000-30009"}})
    await bed.configuration.load()
    assert bed.configuration.current.settings.host_port_range is None


async def test_another_row_is_another_building(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    await bed.configuration.load()
    await bed.declare({"ingress": {"httpPort": 2080}})
    assert (await bed.built()).http_port == 2080
    await bed.accept()
    await bed.store.delete(KEY, source=None)
    bed.configuration.heard(KEY)
    assert (await bed.built()).http_port == 80


async def test_a_row_that_says_the_same_is_only_noted(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    await bed.declare({"ingress": {"httpPort": 2080}})
    await bed.configuration.load()
    noted = asyncio.Event()
    waiting = asyncio.create_task(bed.configuration.changed(noted.set))
    await bed.declare({"ingress": {"httpPort": 2080, "sslProvider": "letsencrypt"}})
    async with asyncio.timeout(5):
        await noted.wait()
    assert bed.configuration.in_force.generation == 2
    assert not waiting.done()
    waiting.cancel()


async def test_what_cannot_be_taken_leaves_what_was_accepted(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    await bed.declare({"ingress": {"httpPort": 2080}})
    await bed.accept()
    await bed.declare({"ingress": {"httpPort": "many"}})
    await bed.configuration.load()
    assert bed.configuration.current.settings.http_port == 2080
    assert bed.configuration.in_force.generation == 1
    problem = bed.configuration.in_force.problem
    assert problem is not None
    assert problem.code == "CONFIGURATION_INVALID_SPEC"


async def test_what_does_not_fit_the_environment_is_not_taken(tmp_path: Path) -> None:
    bed = Bed(tmp_path, ingress_publish="labels")
    await bed.declare({"ingress": {"mode": "process"}})
    await bed.configuration.load()
    assert bed.configuration.current.settings == bed.given
    problem = bed.configuration.in_force.problem
    assert problem is not None
    assert "SKYCTL_INGRESS_PUBLISH=labels" in problem.message


async def test_a_command_is_not_taken_from_sql(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    await bed.declare({"imagePolicy": {"command": "rm -rf /"}}, source="sql")
    await bed.configuration.load()
    assert bed.configuration.current.settings.image_policy is None


async def test_the_environment_of_a_dns_provider_comes_of_a_secret(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    spec = {"ingress": {"acme": {"email": "a@b.c", "challenge": "dns", "dnsSecret": "dns"}}}
    await bed.declare(spec)
    await bed.configuration.load()
    assert bed.configuration.current.settings.acme_email == ""
    await bed.secret("dns", provider="cloudflare", CF_DNS_API_TOKEN="hush")
    settings = await bed.built()
    assert settings.acme_dns_provider == "cloudflare"
    file = settings.acme_environment_file
    assert file is not None
    assert file.read_text() == "CF_DNS_API_TOKEN=hush\n"
    assert file.stat().st_mode & 0o777 == 0o600
    await bed.secret("dns", provider="cloudflare", CF_DNS_API_TOKEN="hush hush")
    await bed.built()
    assert file.read_text() == "CF_DNS_API_TOKEN=hush hush\n"


async def test_a_line_break_would_be_another_variable(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    acme = {"challenge": "dns", "dnsProvider": "exec", "dnsSecret": "dns"}
    await bed.secret("dns", TOKEN="hush\nLD_PRELOAD=/tmp/x.so")
    await bed.declare({"ingress": {"acme": acme}})
    await bed.configuration.load()
    assert bed.configuration.current.settings.acme_environment_file is None
    problem = bed.configuration.in_force.problem
    assert problem is not None
    assert "hush" not in str(problem.to_dict())


async def test_where_the_engine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bed = Bed(tmp_path)
    await bed.declare({"docker": {"connectionType": "socket", "socketPath": "/run/other.sock"}})
    await bed.configuration.load()
    assert bed.configuration.current.docker.host == "unix:///run/other.sock"
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/given.sock")
    await bed.configuration.load()
    assert bed.configuration.current.docker.host == ""
    assert bed.configuration.in_force.overruled == (("/spec/docker", "DOCKER_HOST"),)


async def test_certificates_that_are_none_are_not_taken(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    docker = {"connectionType": "tcp", "apiUrl": "tcp://127.0.0.1:2376", "tlsSecret": "engine"}
    await bed.secret("engine", **{"ca.pem": "x", "cert.pem": "x", "key.pem": "hush"})
    await bed.declare({"docker": docker})
    await bed.configuration.load()
    assert bed.configuration.current.docker.host == ""
    problem = bed.configuration.in_force.problem
    assert problem is not None
    assert "TLS certificates cannot be used" in problem.message
