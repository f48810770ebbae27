"""Whether a CaasConfiguration may be taken, beyond what its fields say by themselves. Pure: the
plan and whoever puts it in force ask the same."""

from __future__ import annotations

from resources.configuration.spec import CaasConfigurationSpec
from resources.errors import UserError
from resources.meta import Resource

NAME = "default"
NOT_THE_ONE = "CONFIGURATION_INVALID_SPEC"
UNTRUSTED = "CONFIGURATION_COMMAND_FROM_SQL"


def refusal(resource: Resource, spec: CaasConfigurationSpec) -> UserError | None:
    """Why it may not, or None."""
    if resource.key.name != NAME:
        return UserError(
            NOT_THE_ONE,
            f"metadata.name: there is one CaasConfiguration, named {NAME}",
            details={"errors": [{"pointer": "/metadata/name", "message": f"must be {NAME}"}]},
            suggestions=[f"write what it says into CaasConfiguration/{NAME}, and delete this one"],
        )
    if spec.image_policy.command is not None and resource.source == "sql":
        return UserError(
            UNTRUSTED,
            "spec.imagePolicy.command: it would run on the controller's host, so it is not taken "
            "from SQL",
            details={"pointer": "/spec/imagePolicy/command"},
            suggestions=[
                "declare it in a manifest, or with skyctl apply",
                "give it in the controller's environment: SKYCTL_IMAGE_POLICY",
            ],
        )
    return None
