"""Secrets of a directory, before anything of them is compared or written.

Plain values under ``data`` are sealed, or found to be those that are sealed in the row. A Secret
that cannot be sealed, or is not valid, is declared all the same (so its row stays), but nothing is
done to it: what is wrong with it could be a value in the wrong place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from controller.sources.manifests.declaration import Declared, DeclaredSet, Problem
from resources.errors import UserError
from resources.meta import Key, Manifest, Resource

SECRET = "Secret"


async def sealed(
    declaration: DeclaredSet,
    rows: Mapping[Key, Resource],
    seal: Callable[[Manifest, Resource | None], Awaitable[Manifest]],
) -> DeclaredSet:
    """Raises StoreUnavailable."""
    secrets = [declared for key, declared in declaration.wanted.items() if key.kind == SECRET]
    if not secrets:
        return declaration
    wanted: dict[Key, Declared] = dict(declaration.wanted)
    contested = dict(declaration.contested)
    problems: list[Problem] = []
    known = {problem.key for problem in declaration.problems}
    for declared in secrets:
        try:
            manifest = await seal(declared.manifest, rows.get(declared.key))
        except UserError as error:
            contested[declared.key] = (wanted.pop(declared.key),)
            if declared.key not in known:
                problems.append(declared.located(error))
        else:
            wanted[declared.key] = replace(declared, manifest=manifest)
    return replace(
        declaration,
        wanted=wanted,
        contested=contested,
        problems=(*declaration.problems, *problems),
    )
