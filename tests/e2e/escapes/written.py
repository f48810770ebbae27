"""Attempts from the spec: what a tenant can write into a manifest.

Each ends in an error that says what is wrong; nothing of it reaches the engine. ``REFUSED`` and
``TEXTS`` are not even stored; ``DENIED`` is well formed, and told by the status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from resources.document import interpret, parse
from resources.document.checking import check
from resources.errors import UserError
from resources.validate import validate_manifest
from tests.e2e.escapes.place import Place
from tests.e2e.harness import until


@dataclass(frozen=True)
class Written:
    """said: what the refusal must contain."""

    title: str
    said: str
    spec: dict[str, Any] = field(default_factory=dict, hash=False)
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    organization: str = "alpha"


def _volume(**mount: Any) -> dict[str, Any]:
    return {"volumes": [{"volume": "v", "mountPath": "/v", **mount}]}


def _port(**port: Any) -> dict[str, Any]:
    return {"ports": [{"containerPort": 80, **port}]}


def _file(path: str) -> dict[str, Any]:
    return {"files": [{"path": path, "content": "x"}]}


def _labels(name: str) -> dict[str, Any]:
    return {"labels": {name: "x"}}


REFUSED: tuple[Written, ...] = (
    Written("a host path as a volume", "volume", _volume(volume="/etc")),
    Written("a host path by going up", "volume", _volume(volume="../../etc")),
    Written("a field hostPath", "hostPath", _volume(hostPath="/")),
    Written("binds", "binds", {"binds": ["/:/host"]}),
    Written("a mount's options", "driver", _volume(driver="local")),
    Written("another's volume by its engine name", "volume",
            _volume(volume="skypanel_beta_data_12345678")),
    Written("a mount over /proc", "/proc", _volume(mountPath="/proc")),
    Written("a mount over /dev", "/dev", _volume(mountPath="//dev/")),
    Written("a mount over the root", "root directory", _volume(mountPath="/")),
    Written("a mount going up", "'..'", _volume(mountPath="/v/../../etc")),
    Written("a mount with options", "':'", _volume(mountPath="/v:rw,shared")),
    Written("a file in /sys", "/sys", _file("/sys/kernel/x")),
    Written("a file going up", "'..'", _file("/etc/../../x")),
    Written("a device", "devices", {"devices": ["/dev/vda"]}),
    Written("privileged", "privileged", {"privileged": True}),
    Written("the host's network", "hostNetwork", {"hostNetwork": True}),
    Written("a network of choice", "networks", {"networks": ["host"]}),
    Written("the host's processes", "pid", {"pid": "host"}),
    Written("the host's users", "usernsMode", {"usernsMode": "host"}),
    Written("security options", "securityOpt", {"securityOpt": ["seccomp=unconfined"]}),
    Written("kernel settings", "sysctls", {"sysctls": {"kernel.core_pattern": "|/x"}}),
    Written("a runtime of choice", "runtime", {"runtime": "runc"}),
    Written("a cgroup of choice", "cgroupParent", {"cgroupParent": "/"}),
    Written("SYS_ADMIN", "SYS_ADMIN", {"capabilities": ["SYS_ADMIN"]}),
    Written("all capabilities", "ALL", {"capabilities": ["ALL"]}),
    Written("CAP_SYS_MODULE, in small letters", "SYS_MODULE", {"capabilities": ["cap_sys_module"]}),
    Written("a user with an option", "user", {"user": "0 --privileged"}),
    Written("our label", "reserved", metadata=_labels("io.skypanel.organization")),
    Written("the engine's label", "reserved", metadata=_labels("com.docker.compose.project")),
    Written("the ingress' label", "reserved", metadata=_labels("traefik.enable")),
    Written("our label, in capitals", "reserved", metadata=_labels("IO.SkyPanel.uid")),
    Written("our label in the spec", "labels", {"labels": {"io.skypanel.uid": "x"}}),
    Written("our variable", "SKYPANEL_", {"environment": {"SKYPANEL_TOKEN": "x"}}),
    Written("a variable with an equals sign", "variable", {"environment": {"A=B": "x"}}),
    Written("a variable with a newline", "variable", {"environment": {"A\nB": "x"}}),
    Written("an image that is an option", "image", {"image": "--privileged"}),
    Written("an image with a newline", "image", {"image": "nginx\n--privileged"}),
    Written("an image from a file", "image", {"image": "../../etc/passwd"}),
    Written("an image with a Cyrillic letter", "image", {"image": "ngin\u0445:1"}),
    Written("another's service as a dependency", "dependsOn", {"dependsOn": ["beta/victim"]}),
    Written("NUL", "NUL", {"command": ["a\0b"]}),
    Written("half a character", "", {"command": ["a\ud800b"]}),
    Written("a text of 1 MiB", "1024 KiB", {"command": ["x" * (1 << 20)]}),
    Written("a name with a Cyrillic letter", "name", metadata={"name": "vi\u0441tim"}),
    Written("a name that is a path", "name", metadata={"name": "../victim"}),
    Written("an organization that is a path", "organization",
            metadata={"organization": "../beta"}),
)  # fmt: skip

HEAD = "apiVersion: skypanel.io/v1\nkind: Service\nmetadata: {name: web, organization: alpha}\n"
_LAUGHS = "spec:\n  a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"  {chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
)
TEXTS: tuple[tuple[str, str, str], ...] = (
    ("a YAML bomb", HEAD + _LAUGHS, "expands to more than"),
    ("100,000 lists in each other", HEAD + "spec: " + "[" * 100_000, "nest"),
    ("a key given twice", HEAD + "spec: {image: a, image: b}", "twice"),
    ("a tag that makes an object", HEAD + "spec: !!python/object/apply:os.system [id]", "tag"),
    ("a merge key", HEAD + "x: &x {privileged: true}\nspec: {<<: *x, image: a}", ""),
)

DENIED: tuple[Written, ...] = (
    Written("a capability beyond the profile", "NET_RAW", {"capabilities": ["NET_RAW"]}),
    Written("root under restricted", "root", {"user": "0"}, organization="omega"),
    Written("root under restricted, as 00", "00", {"user": "00"}, organization="omega"),
    Written("an image that runs as root under restricted", "root", organization="omega"),
    Written("a capability under restricted", "NET_BIND_SERVICE",
            {"user": "1000", "capabilities": ["NET_BIND_SERVICE"]}, organization="omega"),
    Written("a port of the host that is not allowed", "22", _port(hostPort=22)),
    Written("another tenant's volume, by name", "data",
            {"volumes": [{"volume": "data", "mountPath": "/d"}]}),
    Written("another tenant's secret, by name", "token",
            {"environment": {"A": {"secret": "token", "key": "k"}}}),
    Written("another tenant's registry credentials", "token", {"imagePullSecret": "token"}),
    Written("another tenant's service, by name", "victim", {"dependsOn": ["victim"]}),
)  # fmt: skip
"""What these name exists, but not for this tenant."""


def document(written: Written, name: str = "evil") -> dict[str, Any]:
    metadata = {"name": name, "organization": written.organization, **written.metadata}
    spec = {"image": "skypanel/test-busybox:1", "imagePullPolicy": "Never", **written.spec}
    return {"apiVersion": "skypanel.io/v1", "kind": "Service", "metadata": metadata, "spec": spec}


def not_stored() -> dict[str, str]:
    """Title -> the refusal, as every door gives it before anything is written; '' for none."""
    return {**{w.title: _said(w, document(w)) for w in REFUSED}, **_texts()}


def _said(written: Written, raw: dict[str, Any]) -> str:
    try:
        validate_manifest(interpret(raw))
    except UserError as error:
        return _one_line(error)
    return ""


def _texts() -> dict[str, str]:
    found = {}
    for title, text, said in TEXTS:
        parsed = parse(text, "manifest.yaml")
        errors = [*parsed.problems, *filter(None, map(check, parsed.documents))]
        lines = [_one_line(error) for error in errors]
        found[title] = next((line for line in lines if said in line), "")
    return found


def _one_line(error: UserError) -> str:
    return f"{error.code}: {error.message} {error.details.get('errors', '')}"


def over_http(place: Place) -> dict[str, str]:
    """The same of ``REFUSED``, through the running controller, all in one request. Half a
    character cannot be sent as JSON."""
    sent = [w for w in REFUSED if "half a character" not in w.title]
    answer = _ask(place, "POST", "/v1/apply", {"manifests": [document(w) for w in sent]})
    return {
        w.title: str(result["error"]) if result["action"] == "refused" else ""
        for w, result in zip(sent, answer["results"], strict=True)
    }


def denied(place: Place) -> dict[str, str]:
    """What the status says of ``DENIED``. They are deleted again."""
    names = {f"evil-{number}": written for number, written in enumerate(DENIED)}
    manifests = [document(written, name) for name, written in names.items()]
    answer = _ask(place, "POST", "/v1/apply", {"manifests": manifests})
    assert all(result["action"] == "created" for result in answer["results"]), answer

    def errors() -> dict[str, str]:
        rows = place.program.sql(
            "SELECT name, status->'error'->>'message' AS error FROM skyctl.resource_view "
            "WHERE name LIKE 'evil-%' AND observed_generation = generation"
        )
        found = {str(row["name"]): str(row["error"] or "") for row in rows}
        assert all(found.get(name) for name in names), found
        return {written.title: found[name] for name, written in names.items()}

    try:
        return until(errors, what="every denied one is told")
    finally:
        for name, written in names.items():
            target = f"/v1/resources/service/{name}?organization={written.organization}"
            _ask(place, "DELETE", target, None)


def _ask(place: Place, method: str, path: str, body: Any) -> Any:
    transport = httpx.HTTPTransport(uds=str(place.program.state_dir / "skyctl.sock"))
    with httpx.Client(transport=transport, base_url="http://skyctl", timeout=60) as client:
        answer = client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()
