"""Whatever comes in, a model or a presentable ``UserError`` comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.registry import kinds
from resources.validate import validate, validate_manifest

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("\ud800")
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
WORDS = sorted(
    {f.alias or n for kind in kinds().values() for n, f in kind.model.model_fields.items()}
)
SPECS = st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), JSON, max_size=8)


@given(st.sampled_from(list(kinds())), SPECS | JSON)
def test_any_spec(kind: str, spec: Any) -> None:
    model, refusal = outcome(lambda: validate(kind, spec))
    if refusal is not None:
        assert presentable(refusal)
    else:
        written = model.document()
        assert validate(kind, written) == model
        json.dumps(written, allow_nan=False)


@given(JSON, JSON, JSON, JSON)
def test_any_metadata(organization: Any, name: Any, labels: Any, annotations: Any) -> None:
    _, refusal = outcome(
        lambda: validate_manifest(
            Manifest(Key("Service", organization, name), {"image": "nginx"}, labels, annotations)
        )
    )
    assert refusal is None or presentable(refusal)


def outcome(call: Callable[[], Any]) -> tuple[Any, UserError | None]:
    try:
        return call(), None
    except UserError as error:
        return None, error


def presentable(error: UserError) -> bool:
    """Short JSON in UTF-8, with pointers."""
    text = json.dumps(error.to_dict(), allow_nan=False, ensure_ascii=False)
    text.encode()
    found = error.details["errors"]
    return len(text) < 40_000 and all(item["pointer"].startswith("/") for item in found)
