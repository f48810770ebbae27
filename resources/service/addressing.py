"""What is suggested about a service is a command that can be pasted: it names the service.

Who finds a problem knows a container, seldom the service; so problems say ``service/NAME``, and the
name is filled in here, where plan and status leave the planner.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resources.context import Context
from resources.errors import UserError
from resources.meta import Key
from resources.plan import Plan
from resources.service.plan import plan
from resources.service.status import status

PLACEHOLDER = "service/NAME"


def addressed_plan(context: Context) -> Plan:
    return addressed(plan(context), context.key)


def addressed(found: Plan, key: Key) -> Plan:
    problem = found.problem
    if problem is None or not any(PLACEHOLDER in each for each in problem.suggestions):
        return found
    named = UserError(
        problem.code,
        problem.message,
        details=problem.details,
        suggestions=_named(problem.suggestions, key),
        retryable=problem.retryable,
    )
    return replace(found, problem=named)


def addressed_status(context: Context, plan: Plan, failure: UserError | None) -> dict[str, Any]:
    found = status(context, plan, failure)
    if (error := found["error"]) is None:
        return found
    return {
        **found,
        "error": {**error, "suggestions": _named(error["suggestions"], context.key)},
    }


def _named(suggestions: Any, key: Key) -> list[str]:
    address = f"service/{key.name} --org {key.organization}"
    return [each.replace(PLACEHOLDER, address) for each in suggestions]
