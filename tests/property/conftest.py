"""How long the property tests look: shortly by default, long with ``SKYCTL_TORTURE=1``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "short", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.register_profile(
    "torture", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=3000
)
settings.load_profile("torture" if os.environ.get("SKYCTL_TORTURE") else "short")
