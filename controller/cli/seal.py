"""``skyctl seal``: values that may lie in git and go through SQL.

A value never stands on a command line, where every process of the machine could read it: it comes
from standard input, from a file, or is typed in.
"""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.client import connect
from controller.cli.confirmation import Yes, confirm
from controller.cli.failure import FAILED, Misuse
from controller.cli.files import located, problem_lines, read_documents
from controller.cli.options import Org, Output, OutputFormat, organization, output_format
from controller.cli.output import print_data, print_done, print_yaml
from controller.cli.text import clean
from controller.sealing.box import key_id, seal
from resources.document import Document
from resources.errors import UserError
from resources.meta import API_VERSION
from resources.sealed import SealingKey
from resources.spec import is_dns_label
from resources.validate import validate_manifest

_SECRET_WORDS = ("secret", "secrets", "sec")


Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[secret/NAME KEY]", help="Which value it will be."),
]
Filename = Annotated[
    list[str] | None,
    typer.Option("-f", "--filename", help="Manifests with plain data, to be printed sealed."),
]
FromFile = Annotated[
    Path | None, typer.Option("--from-file", help="Read the value from this file, as it is.")
]
PublicKey = Annotated[
    str | None,
    typer.Option("--public-key", help="Seal for this key, without asking a controller."),
]
PrintKey = Annotated[bool, typer.Option("--print-key", help="The public key, alone.")]
NewKey = Annotated[
    bool, typer.Option("--new-key", help="Make another key, and seal for that from now on.")
]


def seal_(
    words: Words = None,
    filename: Filename = None,
    from_file: FromFile = None,
    public_key: PublicKey = None,
    print_key: PrintKey = False,
    new_key: NewKey = False,
    yes: Yes = False,
    org: Org = None,
    output: Output = None,
) -> None:
    """Seal secret values for the controller: only it can open them, only where they belong.

    skyctl seal secret/db PASSWORD --org acme < value · skyctl seal -f secret.yaml > sealed.yaml ·
    skyctl seal --print-key

    Of standard input one newline at the end is not part of the value.
    """
    if sum((bool(words), bool(filename), print_key, new_key)) != 1:
        raise Misuse(
            "say what to seal",
            "skyctl seal secret/NAME KEY --org ORGANIZATION < value",
            "skyctl seal -f FILE",
        )
    form = output_format(output)
    if new_key:
        _renew(yes, form)
    elif print_key:
        found = _key(public_key)
        print_done(form, found.public, {"id": found.id, "publicKey": found.public})
    elif filename:
        _files(filename, _key(public_key), form)
    else:
        _one(words or [], organization(org), from_file, public_key, form)


def _one(
    words: Sequence[str],
    where: str | None,
    file: Path | None,
    public: str | None,
    form: OutputFormat,
) -> None:
    secret, name = _address(words)
    if where is None:
        raise Misuse(
            "for whom? a sealed value opens in one organization only",
            f"skyctl seal secret/{secret} {name} --org ORGANIZATION",
            f"the platform's own: skyctl seal secret/{secret} {name} --org ''",
        )
    key, value = _key(public), _value(file)
    text = _sealed(key, where, secret, name, value)
    told = {"organization": where, "secret": secret, "key": name, "sealed": text}
    print_done(form, text, told)


def _renew(yes: bool, form: OutputFormat) -> None:
    with connect() as client:
        confirm("make another key? values sealed for the present one need its key file", yes)
        found = client.post("/sealing-key")
    print_done(form, f"values are sealed for the key {found['id']} now", found)


def _key(given: str | None) -> SealingKey:
    if given is None:
        with connect() as client:
            found = client.get("/sealing-key")
        return SealingKey(found["id"], found["publicKey"])
    try:
        raw = base64.b64decode(given, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        raise Misuse("--public-key is no key", "see it: skyctl seal --print-key")
    return SealingKey(key_id(raw), given)


def _address(words: Sequence[str]) -> tuple[str, str]:
    match list(words):
        case [kind, secret, key] if kind.lower() in _SECRET_WORDS:
            pass
        case [place, key]:
            kind, slash, secret = place.rpartition("/")
            if slash and kind.lower() not in _SECRET_WORDS:
                raise Misuse(f"cannot seal for a {kind}", "write secret/NAME KEY")
        case _:
            raise Misuse("name one Secret and one key", "skyctl seal secret/db PASSWORD --org acme")
    if not is_dns_label(secret):
        raise Misuse(f"{secret!r} is no name of a Secret", "write secret/NAME KEY")
    return secret, key


def _value(file: Path | None) -> str:
    if file is not None:
        try:
            return _text(file.read_bytes())
        except OSError as error:
            raise Misuse(f"cannot read {file}: {error.strerror}") from error
    if sys.stdin.isatty():
        return str(typer.prompt("value", hide_input=True, err=True))
    return _text(sys.stdin.buffer.read()).removesuffix("\n")


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Misuse("the value is not UTF-8 text", "encode it, as base64 for example") from None
    if "\0" in text:
        raise Misuse("the value has a NUL character", "encode it, as base64 for example")
    return text


def _sealed(key: SealingKey, where: str, secret: str, name: str, value: str) -> str:
    try:
        return seal(key, where, secret, name, value)
    except ValueError as error:
        raise Misuse(f"cannot seal: {error}") from error


def _files(places: Sequence[str], key: SealingKey, form: OutputFormat) -> None:
    """Every document is printed, those of Secrets without plain values."""
    read = read_documents(places)
    problems = [*read.problems]
    documents: list[dict[str, Any]] = []
    for document in read.documents:
        try:
            documents.append(_document(document, key))
        except UserError as error:
            problems.append(located(document, error))
    if problems:
        for problem in problems:
            for line in problem_lines(problem):
                print(clean(line), file=sys.stderr)
        raise typer.Exit(FAILED)
    if form == "json":
        print_data({"apiVersion": API_VERSION, "kind": "List", "items": documents}, form)
    else:
        print_yaml(documents)


def _document(document: Document, key: SealingKey) -> dict[str, Any]:
    """Raises UserError."""
    raw: dict[str, Any] = dict(document.raw)
    if document.key.kind != "Secret":
        return raw
    validate_manifest(document.manifest)
    spec = dict(document.manifest.spec)
    plain: dict[str, str] = spec.pop("data", None) or {}
    _, where, secret = document.key
    values = {name: _sealed(key, where, secret, name, value) for name, value in plain.items()}
    spec["sealedData"] = {**(spec.get("sealedData") or {}), **values}
    return {**raw, "spec": spec}
