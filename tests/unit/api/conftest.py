"""One controller on fakes for each module; tests use organizations of their own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.unit.site import Site, running_site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client
