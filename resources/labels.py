"""Labels are the identity. ``io.skypanel.controller`` names the instance an object belongs to;
what does not carry ours is foreign and only its name matters to us.
"""

from __future__ import annotations

from collections.abc import Mapping

LABEL = "io.skypanel."
L_CONTROLLER = LABEL + "controller"
L_ORGANIZATION = LABEL + "organization"
L_KIND = LABEL + "kind"
L_NAME = LABEL + "name"
L_UID = LABEL + "uid"
L_GENERATION = LABEL + "generation"
L_REVISION = LABEL + "revision"
L_ORDINAL = LABEL + "ordinal"
L_ROLE = LABEL + "role"  # "preDeploy" on one-off containers; absent on replicas
L_ROUTES = LABEL + "routes"  # the Domains whose routing a container carries as labels
L_PHANTOM = LABEL + "phantom"  # on volumes the engine made by itself at container creation


def is_ours(labels: Mapping[str, str], instance: str) -> bool:
    """Does this instance's controller own what carries them?"""
    return labels.get(L_CONTROLLER) == instance
