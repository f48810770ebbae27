"""Planning a CaasConfiguration: accept, and wait until the controller runs by it.

Nothing of it is on the engine. The process that reads the row begins anew with it by itself, once
what it names is there.
"""

from __future__ import annotations

from resources.acceptance import acceptance
from resources.configuration.judging import refusal
from resources.configuration.spec import CaasConfigurationSpec
from resources.context import Context
from resources.errors import UserError
from resources.meta import Key
from resources.plan import Plan, Wait
from resources.secret.in_force import in_force
from resources.store_steps import Finalize

SECRET_NOT_FOUND = "SECRET_NOT_FOUND"
KEY_NOT_FOUND = "SECRET_KEY_NOT_FOUND"
TLS_KEYS = ("ca.pem", "cert.pem", "key.pem")
PROVIDER = "provider"
"""Key of a dnsSecret that names the DNS provider."""


def plan(context: Context) -> Plan:
    if context.deleting:
        return Plan((Finalize(cause="deletion requested"),))
    if context.spec is None or context.rejection is not None:
        return Plan(problem=context.rejection)
    problem = refusal(context.entry.resource, context.spec) or _unresolved(context, context.spec)
    if problem is not None:
        return Plan(problem=problem)
    return Plan(acceptance(context), problem=_untaken(context), wait=_waiting(context))


def taken(context: Context) -> bool:
    """Does the controller run by its newest generation?"""
    current = context.platform.configuration
    return (current.uid, current.generation) == (context.uid, context.generation)


def _untaken(context: Context) -> UserError | None:
    return None if taken(context) else context.platform.configuration.problem


def _waiting(context: Context) -> Wait | None:
    return None if taken(context) else Wait("the controller to begin anew with it")


def _unresolved(context: Context, spec: CaasConfigurationSpec) -> UserError | None:
    docker, acme = spec.docker, spec.ingress.acme
    if docker is not None and docker.tls_secret is not None:
        problem = _secret(context, docker.tls_secret, "spec.docker.tlsSecret", TLS_KEYS)
        if problem is not None:
            return problem
    if acme.dns_secret is not None:
        keys = () if acme.dns_provider is not None else (PROVIDER,)
        return _secret(context, acme.dns_secret, "spec.ingress.acme.dnsSecret", keys)
    return None


def _secret(context: Context, name: str, place: str, keys: tuple[str, ...]) -> UserError | None:
    entry = context.refs.get(Key("Secret", "", name))
    values = in_force(entry) if entry is not None else None
    pointer = "/" + place.replace(".", "/")
    if values is None:
        return UserError(
            SECRET_NOT_FOUND,
            f"{place}: the platform has no Secret {name} that is accepted",
            details={"kind": "Secret", "name": name, "pointer": pointer},
            suggestions=[f"create the Secret {name} without an organization"],
        )
    absent = [key for key in keys if key not in values]
    if absent:
        return UserError(
            KEY_NOT_FOUND,
            f"{place}: Secret {name} has no {', '.join(absent)}",
            details={"kind": "Secret", "name": name, "keys": absent, "pointer": pointer},
            suggestions=[f"add {', '.join(absent)} to the Secret {name}"],
        )
    return None
