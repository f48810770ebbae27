"""Which columns each kind's table has. MESSAGE is last: it is the one that may be long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.cli.text import age, size
from resources.conditions import READY, RECONCILING, find, is_true

Document = dict[str, Any]
Cell = Callable[[Document], str]


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[tuple[str, Cell], ...]

    @property
    def headers(self) -> list[str]:
        return [header for header, _ in self.columns]

    def row(self, document: Document, *, prefixed: bool = False) -> list[str]:
        """prefixed: ``service/web`` instead of ``web``, where kinds stand together."""
        cells = [cell(document) for _, cell in self.columns]
        if prefixed:
            index = self.headers.index("NAME")
            cells[index] = f"{document['kind'].lower()}/{cells[index]}"
        return cells


def table_of(kind: str, *, wide: bool, organization: bool) -> Table:
    """organization: show which one each belongs to."""
    main, extra = _KINDS.get(kind, _OTHER)
    first = _ORGANIZATION if organization and kind not in _WITHOUT_ORGANIZATION else ()
    more = (*extra, *_WIDE) if wide else ()
    return Table((*first, *main, *more, ("AGE", _age), ("MESSAGE", message)))


def status(document: Document) -> Document:
    return document.get("status") or {}


def phase(document: Document) -> str:
    """What the status says; Deleting as soon as that was asked for."""
    if document["metadata"].get("deletionRequestedAt"):
        return "Deleting"
    return str(status(document).get("phase") or "Pending")


def settled(document: Document) -> bool:
    """The controller has seen the newest generation and has nothing left to do about it."""
    seen = status(document).get("observedGeneration") or 0
    newest = document["metadata"]["generation"]
    return bool(seen >= newest) and not is_true(status(document), RECONCILING)


def message(document: Document) -> str:
    if phase(document) == "Deleting" and status(document).get("phase") != "Deleting":
        return "deletion requested"
    text = status(document).get("message") or ""
    if not text and not status(document):
        return "waiting for the controller"
    return str(text)


def _name(document: Document) -> str:
    return str(document["metadata"]["name"])


def _age(document: Document) -> str:
    return age(document["metadata"].get("createdAt"))


def _organization(document: Document) -> str:
    return document["metadata"].get("organization") or ""


def _ready(document: Document) -> str:
    found = status(document)
    wanted = found.get("replicas")
    if wanted is None:
        wanted = document["spec"].get("replicas", 1)
    return f"{found.get('readyReplicas', 0)}/{wanted}"


def _image(document: Document) -> str:
    """What is declared; ``nginx:1 -> nginx:2`` while something else runs. What was made by an id
    says nothing."""
    declared = str(document["spec"].get("image") or "")
    containers = status(document).get("containers") or ()
    images = dict.fromkeys(str(c.get("image") or "") for c in containers)
    others = [i for i in images if i not in ("", declared) and not i.startswith("sha256:")]
    return f"{','.join(others)} -> {declared}" if others else declared


def _condition(type_: str) -> Cell:
    def cell(document: Document) -> str:
        found = find(status(document), type_)
        return str(found["status"]) if found else "Unknown"

    return cell


def _restarts(document: Document) -> str:
    containers = status(document).get("containers") or ()
    return str(sum(int(c.get("restarts") or 0) for c in containers))


def _endpoints(document: Document) -> str:
    found = status(document).get("endpoints") or ()
    return ",".join(_endpoint(endpoint) for endpoint in found)


def _endpoint(endpoint: Any) -> str:
    if not isinstance(endpoint, dict):
        return str(endpoint)
    if url := endpoint.get("url"):
        return str(url)
    shown = str(endpoint.get("address") or "")
    if "hostPort" in endpoint:
        return f"{endpoint.get('hostAddress') or ''}:{endpoint['hostPort']}->{shown}"
    return shown


def _certificate(document: Document) -> str:
    """When it ends; that of a makeshift one is nobody's concern."""
    ready = find(status(document), "CertificateReady") or {}
    if ready.get("reason") == "CertificateMissing":
        return ""
    return _status_path("certificate", "notAfter")(document)


def _status_path(*path: str) -> Cell:
    def cell(document: Document) -> str:
        value: Any = status(document)
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, list):
            return ",".join(str(item) for item in value)
        return "" if value is None else str(value)

    return cell


def _bytes(field: str) -> Cell:
    def cell(document: Document) -> str:
        value = status(document).get(field)
        return size(value) if isinstance(value, int | float) else ""

    return cell


def _volume_size(document: Document) -> str:
    return str(document["spec"].get("size") or "") or _bytes("sizeBytes")(document)


def _keys(document: Document) -> str:
    return ",".join(str(item["key"]) for item in status(document).get("keys") or ())


def _sealed_for(document: Document) -> str:
    found = {str(item["keyId"]) for item in status(document).get("keys") or () if item["keyId"]}
    return ",".join(sorted(found))


def _usage(resource: str) -> Cell:
    """``2/4``; what is used alone where nothing limits it."""

    def cell(document: Document) -> str:
        found = (status(document).get("usage") or {}).get(resource)
        if not found:
            return ""
        used, limit = (_amount(resource, found.get(word)) for word in ("used", "limit"))
        return f"{used}/{limit}" if limit else used

    return cell


def _amount(resource: str, value: Any) -> str:
    if value is None:
        return ""
    return size(value) if resource in ("memory", "storage") else f"{value:g}"


def _spec(field: str) -> Cell:
    return lambda document: str(document["spec"].get(field) or "")


def _url(document: Document) -> str:
    return str(status(document).get("url") or document["spec"].get("hostname") or "")


def _meta(field: str) -> Cell:
    return lambda document: str(document["metadata"].get(field) or "")


_ORGANIZATION = (("ORGANIZATION", _organization),)
_WITHOUT_ORGANIZATION = frozenset({"Organization", "Template", "CaasConfiguration"})
_WIDE = (("GENERATION", _meta("generation")), ("SOURCE", _meta("source")), ("UID", _meta("uid")))
_KINDS: dict[str, tuple[tuple[tuple[str, Cell], ...], tuple[tuple[str, Cell], ...]]] = {
    "Organization": (
        (
            ("NAME", _name),
            ("PHASE", phase),
            ("READY", _condition(READY)),
            ("SUBNET", _status_path("network", "subnet")),
            ("CPU", _usage("cpu")),
            ("MEMORY", _usage("memory")),
            ("STORAGE", _usage("storage")),
            ("SERVICES", _usage("services")),
            ("CONTAINERS", _usage("containers")),
            ("VOLUMES", _usage("volumes")),
        ),
        (("DOMAINS", _usage("domains")), ("NETWORK", _status_path("network", "name"))),
    ),
    "Service": (
        (("NAME", _name), ("READY", _ready), ("PHASE", phase), ("IMAGE", _image)),
        (("RESTARTS", _restarts), ("ENDPOINTS", _endpoints), ("DOMAINS", _status_path("domains"))),
    ),
    "Volume": (
        (
            ("NAME", _name),
            ("PHASE", phase),
            ("SIZE", _volume_size),
            ("USED", _bytes("usedBytes")),
            ("MOUNTED BY", _status_path("mountedBy")),
        ),
        (("ENGINE NAME", _status_path("engineName")),),
    ),
    "Domain": (
        (
            ("NAME", _name),
            ("PHASE", phase),
            ("READY", _condition(READY)),
            ("URL", _url),
            ("SERVICE", _spec("service")),
            ("CERTIFICATE", _certificate),
        ),
        (("VERIFIED", _condition("Verified")), ("PROGRAMMED", _condition("Programmed"))),
    ),
    "Secret": (
        (("NAME", _name), ("PHASE", phase), ("READY", _condition(READY)), ("KEYS", _keys)),
        (("SEALED FOR", _sealed_for),),
    ),
}
_OTHER = ((("NAME", _name), ("PHASE", phase), ("READY", _condition(READY))), ())
