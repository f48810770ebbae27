"""What needs no controller: ``validate``, ``schema``, ``explain``, ``version``, ``completion``."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from controller.cli.complete import complete_kind
from controller.cli.failure import FAILED, Misuse


def version(
    output: Annotated[str | None, typer.Option("-o", "--output", help="json or yaml.")] = None,
) -> None:
    """The version of this program."""
    from controller import __version__

    if output is None:
        print(f"skyctl {__version__}")
        return
    from controller.cli.options import output_format
    from controller.cli.output import print_data

    print_data({"version": __version__, "apiVersion": "skypanel.io/v1"}, output_format(output))


def validate(
    filename: Annotated[
        list[str], typer.Option("-f", "--filename", help="File, directory, or - for stdin.")
    ],
    output: Annotated[str | None, typer.Option("-o", "--output", help="json or yaml.")] = None,
) -> None:
    """Check manifests without a controller. One line per problem: FILE:LINE: what."""
    from controller.cli.files import read_documents
    from controller.cli.options import output_format
    from controller.cli.output import print_data
    from controller.cli.text import clean
    from controller.cli.validation import problems_of

    form = output_format(output)
    read = read_documents(filename)
    found = problems_of(read)
    if form in ("json", "yaml"):
        problems = [problem.to_dict() for problem in found]
        print_data({"documents": len(read.documents), "problems": problems}, form)
    else:
        from controller.cli.files import problem_lines

        for problem in found:
            for line in problem_lines(problem):
                print(("  " if line.startswith(" ") else "") + clean(line), file=sys.stderr)
        if not found:
            print(
                f"{_counted(len(read.documents), 'document')} in "
                f"{_counted(read.files, 'file')}: valid"
            )
    if found:
        raise typer.Exit(FAILED)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def schema(
    what: Annotated[
        str,
        typer.Argument(metavar="KIND|sql", help="A kind, or sql.", autocompletion=complete_kind),
    ],
) -> None:
    """The JSON Schema of a kind's manifests, or the SQL schema with its grants."""
    if what.lower() == "sql":
        from controller.store.postgres import schema_sql

        print(schema_sql(), end="")
        return
    from resources.schema import manifest_schema, render

    print(render(manifest_schema(_kind(what))), end="")


def _kind(word: str) -> Any:
    """By kind, plural or short name. Raises UserError CONFIGURATION_UNKNOWN_KIND."""
    from resources.registry import lookup
    from resources.validate import kind_named

    return lookup(word) or kind_named(word)


def explain(
    path: Annotated[
        str,
        typer.Argument(
            metavar="KIND[.FIELD]...", help="service.update.order", autocompletion=complete_kind
        ),
    ],
    output: Annotated[str | None, typer.Option("-o", "--output", help="json or yaml.")] = None,
) -> None:
    """What a kind or a field is, which values it takes, and its default."""
    from resources.explain import explain as explained

    word, _, field = path.partition(".")
    kind = _kind(word).name
    text = explained(kind, field)
    if output is None:
        print(text, end="")
        return
    from controller.cli.options import output_format
    from controller.cli.output import print_done

    print_done(output_format(output), text.rstrip(), {"kind": kind, "field": field, "text": text})


_SHELLS = ("bash", "zsh", "fish")


def completion(
    shell: Annotated[
        str | None, typer.Argument(metavar="[SHELL]", help="bash, zsh or fish; default: $SHELL.")
    ] = None,
) -> None:
    """A script for the shell that completes commands, kinds and names.

    bash: eval "$(skyctl completion bash)" · zsh: eval "$(skyctl completion zsh)" ·
    fish: skyctl completion fish | source
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    if name not in _SHELLS:
        raise Misuse(f"no completion for the shell {name!r}", f"one of {', '.join(_SHELLS)}")
    from controller.cli.root import root

    os.environ["_SKYCTL_COMPLETE"] = f"source_{name}"
    try:
        root().main([], prog_name="skyctl")
    finally:
        del os.environ["_SKYCTL_COMPLETE"]
