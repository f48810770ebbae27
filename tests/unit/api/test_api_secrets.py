"""Plain values that come in through HTTP or SQL: to the container, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import httpx

from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.steps import CreateContainer
from tests.unit.api.test_api_apply import actions, apply, manifest
from tests.unit.site import Site

USES = {
    "image": "nginx:1",
    "environment": {"PASSWORD": {"secret": "db", "key": "PASSWORD"}},
    "files": [{"path": "/run/token", "secret": "db", "key": "TOKEN"}],
}


def given(site: Site, organization: str) -> tuple[dict[str, str], dict[str, str]]:
    """Environment and files of the one container of the organization that is newest."""

    def look() -> tuple[dict[str, str], dict[str, str]]:
        machine = site.engine.machine
        mine = [
            c
            for c in machine.world.containers.values()
            if c.labels.get("io.skypanel.organization") == organization
        ]
        life = machine.lives[max(mine, key=lambda c: str(c.created_at)).id]
        return dict(life.spec.environment), dict(life.files)

    return site.do(look)


def everything(site: Site, http: httpx.Client, organization: str) -> str:
    """What anybody can read: the store, and all that HTTP tells."""
    told = [site.do(lambda: repr(vars(site.database)))]
    for path in (
        "/v1/resources",
        "/v1/plan",
        f"/v1/events?organization={organization}",
        f"/v1/resources/secret/db/describe?organization={organization}",
        f"/v1/resources/service/web/describe?organization={organization}",
        "/v1/sealing-key",
        "/metrics",
    ):
        answer = http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        told.append(answer.text)
    return "\n".join(told)


def test_to_the_container_and_nowhere_else(site: Site, http: httpx.Client) -> None:
    results = apply(
        http,
        manifest("Service", "one", "web", **USES),
        manifest("Secret", "one", "db", data={"PASSWORD": "hush-one", "TOKEN": "tok-one"}),
        manifest("Organization", "", "one"),
    )
    assert actions(results) == ["created"] * 3
    site.until(lambda: site.settled(Key("Service", "one", "web")))
    environment, files = given(site, "one")
    assert environment == {"PASSWORD": "hush-one"}
    assert files == {"/run/token": "tok-one"}
    told = everything(site, http, "one")
    assert "PASSWORD" in told
    assert "hush-one" not in told
    assert "tok-one" not in told


def test_the_same_again_is_unchanged_and_another_rolls(site: Site, http: httpx.Client) -> None:
    def secret(value: str) -> dict[str, Any]:
        return manifest("Secret", "two", "db", data={"PASSWORD": value, "TOKEN": "t"})

    apply(http, manifest("Organization", "", "two"), secret("first"))
    apply(http, manifest("Service", "two", "web", **USES))
    web = Key("Service", "two", "web")
    site.until(lambda: site.settled(web))
    assert actions(apply(http, secret("first"))) == ["unchanged"]
    assert actions(apply(http, secret("second"), dryRun=True)) == ["configured"]
    shown = http.post("/v1/diff", json={"manifests": [secret("second")]}).json()["differences"]
    assert [d["kind"] for d in shown] == ["Secret", "Service"]
    assert "second" not in json.dumps(shown)
    assert "CreateContainer two_web_0" in shown[1]["text"]
    assert shown[0]["changes"][0].startswith("/spec/sealedData/PASSWORD: (sealed ")
    assert actions(apply(http, secret("second"))) == ["configured"]
    site.until(lambda: given(site, "two")[0] == {"PASSWORD": "second"})
    site.until(lambda: site.settled(web))


def test_by_sql_through_the_inbox(site: Site, http: httpx.Client) -> None:
    db, web = Key("Secret", "three", "db"), Key("Service", "three", "web")

    def write(**data: str) -> None:
        site.apply(Manifest(db, {"data": data}), source="sql")

    site.apply(Manifest(Key("Organization", "", "three"), {}))
    write(PASSWORD="hush-sql", TOKEN="t")
    site.apply(Manifest(web, USES), source="sql")
    site.until(lambda: site.settled(web))
    assert given(site, "three")[0] == {"PASSWORD": "hush-sql"}
    site.until(lambda: site.settled(db))
    assert site.do(lambda: dict(site.database.inbox)) == {}
    assert "hush-sql" not in everything(site, http, "three")
    before = site.do(lambda: site.database.entries[web].resource.uid and given_ids(site, web))
    write(PASSWORD="hush-sql", TOKEN="t")
    site.until(lambda: site.settled(db))
    assert site.do(lambda: given_ids(site, web)) == before
    write(PASSWORD="other-sql", TOKEN="t")
    site.until(lambda: given(site, "three")[0] == {"PASSWORD": "other-sql"})


def given_ids(site: Site, key: Key) -> set[str]:
    uid = site.database.entries[key].resource.uid
    return {c.id for c in site.engine.machine.world.containers_of(uid)}


def test_a_refusal_quotes_nothing(http: httpx.Client) -> None:
    wrong = [
        {"data": {"PASSWORD": ["hush"]}},
        {"data": {"PASS WORD": "hush"}},
        {"data": "hush"},
        {"password": "hush"},
        {"sealedData": {"PASSWORD": "hush"}},
    ]
    results = apply(http, *(manifest("Secret", "four", f"s{i}", **s) for i, s in enumerate(wrong)))
    assert actions(results) == ["refused"] * len(wrong)
    assert "hush" not in json.dumps(results)


def test_an_engine_that_quotes_a_value_is_not_quoted(site: Site, http: httpx.Client) -> None:
    value = "hush-quoted"
    refused: list[str] = []

    def refuse(phase: str, operation: str, subject: object) -> None:
        if (phase, operation) == ("before", "create_container") and not refused:
            assert isinstance(subject, CreateContainer)
            refused.append(subject.spec.name)
            told = "PASSWORD=" + subject.spec.environment["PASSWORD"]
            raise UserError("DEPLOYMENT_FAILED", told, details={"engine": told}, retryable=True)

    site.do(lambda: setattr(site.engine, "faults", refuse))
    apply(
        http,
        manifest("Organization", "", "five"),
        manifest("Secret", "five", "db", data={"PASSWORD": value, "TOKEN": "t"}),
        manifest("Service", "five", "web", **USES),
    )
    site.until(lambda: site.settled(Key("Service", "five", "web")))
    site.do(lambda: setattr(site.engine, "faults", None))
    assert refused
    told = everything(site, http, "five")
    assert "PASSWORD=(secret)" in told
    assert value not in told
