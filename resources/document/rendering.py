"""Documents as YAML text that every reader reads back the same.

Text that some version of YAML would take for something else (``yes``, ``0644``, ``12:30``) is
quoted; no anchors, no folding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from resources.document.envelope import ADDED_BY_STORE, FIELDS, METADATA
from resources.document.scalar import NotANumber, resolve

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_METADATA = (*METADATA, *ADDED_BY_STORE)


class _Plain(_Dumper):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    style = None
    if not _is_text(text):
        style = "'"
    elif "\n" in text and all(line == line.strip() for line in text.split("\n")):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def dump(*documents: Mapping[str, Any]) -> str:
    """Fields in their stable order; several documents are separated by ``---``."""
    return "---\n".join(_one(document) for document in documents)


def _one(document: Mapping[str, Any]) -> str:
    ordered = _ordered(document, FIELDS)
    if isinstance(metadata := ordered.get("metadata"), Mapping):
        ordered["metadata"] = _ordered(metadata, _METADATA)
    return str(
        yaml.dump(
            ordered,
            Dumper=_Plain,
            sort_keys=False,
            default_flow_style=False,
            allow_unicode=True,
            width=1 << 20,
        )
    )


def _ordered(fields: Mapping[str, Any], order: Iterable[str]) -> dict[str, Any]:
    first = {name: fields[name] for name in order if name in fields}
    return first | {name: value for name, value in fields.items() if name not in first}


def _is_text(text: str) -> bool:
    try:
        return isinstance(resolve(text), str)
    except NotANumber:
        return False
