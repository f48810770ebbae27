"""The one door through which documents become models. Whatever comes in, a model or a
``UserError`` comes out.

A document is read in two steps: ``shape`` refuses what no document may hold, by one bounded walk;
then the kind's model reads it strictly. Everything found wrong is reported at once, with JSON
pointers from the manifest's root.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from resources import metadata, shape
from resources.errors import UserError
from resources.finding import Finding, nearest, refusal, shown
from resources.meta import API_VERSION, Manifest
from resources.reading import findings
from resources.registry import Kind, kinds

UNKNOWN_KIND = "CONFIGURATION_UNKNOWN_KIND"

LATER = (
    "Template",
    "TemplateInstance",
    "VolumeBackup",
    "VolumeRestore",
    "AlertPolicy",
)
"""Kinds of the contract that this version does not carry out yet."""


def validate(kind: str, spec: Any) -> BaseModel:
    """The model of the spec. Raises UserError CONFIGURATION_UNKNOWN_KIND, or
    CONFIGURATION_INVALID_SPEC with ``details.errors`` [{pointer, message, value?, suggestion?}]."""
    return _read(kind_named(kind), spec)


def validate_manifest(manifest: Manifest) -> BaseModel:
    """Metadata and spec at once: everything wrong with a document in one error."""
    kind, key = kind_named(manifest.key.kind), manifest.key
    found = _metadata(kind, key.organization, key.name, manifest.labels, manifest.annotations)
    if manifest.api_version != API_VERSION:
        found.insert(
            0,
            Finding(
                ("apiVersion",),
                f"must be {API_VERSION!r}, not {shown(str(manifest.api_version))!r}",
                manifest.api_version,
                API_VERSION,
            ),
        )
    try:
        model = _read(kind, manifest.spec)
    except _Refused as refused:
        found.extend(refused.findings)
    if found:
        raise refusal(found, _explained(kind, found))
    return model


def kind_named(word: Any) -> Kind:
    """Raises UserError CONFIGURATION_UNKNOWN_KIND, with the kind that was perhaps meant."""
    known = kinds()
    if isinstance(word, str) and word in known:
        return known[word]
    if not isinstance(word, str):
        raise UserError(UNKNOWN_KIND, "kind must be text", suggestions=[_one_of(known)])
    text = shown(word)
    if word in LATER:
        raise UserError(UNKNOWN_KIND, f"kind {text} is not available in this version yet")
    meant = nearest(word, (*known, *LATER))
    hint = f": did you mean {meant}?" if meant else ""
    raise UserError(
        UNKNOWN_KIND,
        f"there is no kind '{text}'{hint}",
        details={"kind": text, "known": list(known)},
        suggestions=[f"write kind: {meant}"] if meant else [_one_of(known)],
    )


def _one_of(known: Mapping[str, Kind]) -> str:
    return f"one of {', '.join(known)}"


class _Refused(UserError):
    """Keeps the findings, for whoever has more of them."""

    def __init__(self, found: list[Finding], explain: str = "") -> None:
        error = refusal(found, explain)
        super().__init__(
            error.code, error.message, details=error.details, suggestions=error.suggestions
        )
        self.findings = found


def _read(kind: Kind, spec: Any) -> BaseModel:
    if not isinstance(spec, Mapping):
        message = "is required" if spec is None else "must be a map of fields"
        raise _Refused([Finding(("spec",), message)])
    if (impossible := shape.inspect(spec, ("spec",))) is not None:
        raise _Refused([impossible])
    model: type[BaseModel] = kind.model
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        found = findings(error, model, spec)
        raise _Refused(found, _explained(kind, found)) from None


def _explained(kind: Kind, found: list[Finding]) -> str:
    """The field at the top of the spec that is the first one's, as ``skyctl explain`` takes it."""
    path = found[0].path
    fields = {info.alias or name for name, info in kind.model.model_fields.items()}
    if len(path) > 1 and path[0] == "spec" and path[1] in fields:
        return f"{kind.name.lower()}.{path[1]}"
    return kind.name.lower() if path[:1] == ("spec",) else ""


def _metadata(
    kind: Kind, organization: Any, name: Any, labels: Any, annotations: Any
) -> list[Finding]:
    found = metadata.inspect_name(name)
    found += metadata.inspect_organization(kind.name, kind.belongs, organization)
    impossible = [
        finding
        for part, value in (("labels", labels), ("annotations", annotations))
        if (finding := shape.inspect(value, ("metadata", part))) is not None
    ]
    if impossible:
        return found + impossible
    found += metadata.inspect_labels(labels or {})
    found += metadata.inspect_annotations(annotations or {})
    return found
