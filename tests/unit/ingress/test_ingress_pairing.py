"""A proxy drops a pair that does not match in silence, and shows its makeshift certificate."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from controller.ingress import leaf
from resources.errors import UserError
from resources.routing.document import Document
from resources.sealed import Sealed

CURVE = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
POINTER = "/tls/certificates/0/keyFile"


def pair(place: Path, *algorithm: str) -> tuple[str, str]:
    place.mkdir()
    certificate, key = place / "tls.crt", place / "tls.key"
    order = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=a.example"]
    order += ["-newkey", *algorithm, "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(order, check=True, capture_output=True)
    return certificate.read_text(), key.read_text()


def written(certificate: str, key: str) -> str:
    content = {"tls": {"certificates": [{"certFile": certificate, "keyFile": ""}]}}
    sealed = Sealed("acme", "cert", "tls.key", key)
    document = Document("1-2", "domain_acme_shop_1", content, {POINTER: sealed})
    return leaf.written(document, lambda value: value.text)


def test_a_key_that_is_another_certificates_is_refused(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path / "own", *CURVE)
    assert leaf.read(written(certificate, key)) is not None
    for other in (pair(tmp_path / "other", *CURVE)[1], pair(tmp_path / "rsa", "rsa:2048")[1]):
        with pytest.raises(UserError, match=r"Secret cert: tls\.key is not the key") as caught:
            written(certificate, other)
        assert caught.value.code == "DOMAIN_SECRET_INVALID"
        assert other not in caught.value.message


def test_a_weak_key_is_still_its_own(tmp_path: Path) -> None:
    assert leaf.read(written(*pair(tmp_path / "weak", "rsa:1024"))) is not None
