"""Where the engine is: ``DOCKER_HOST``, ``DOCKER_TLS_VERIFY``, ``DOCKER_CERT_PATH``, as everywhere.

``unix://PATH``, ``tcp://HOST:PORT``, ``http://`` and ``https://`` are understood. With TLS a
``tcp://`` address becomes ``https://``: the engine answers 400 otherwise.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from resources.errors import UserError

DEFAULT_HOST = "unix:///var/run/docker.sock"
_PORTS = {"http": 2375, "https": 2376}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """socket: path of a Unix socket, or None; base: the URL that paths are appended to."""

    host: str
    base: str
    socket: str | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def loopback(self) -> bool:
        """Can it only be this very machine (or a tunnel that pretends to be)?"""
        if self.socket is not None:
            return True
        name = urlsplit(self.base).hostname or ""
        if name == "localhost":
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    def ssl_context(self) -> ssl.SSLContext | None:
        """Raises UserError CONFIGURATION_INVALID when the certificates cannot be read."""
        if not self.base.startswith("https://"):
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                "CONFIGURATION_INVALID",
                f"the engine's TLS certificates cannot be used: {error}",
                details={"host": self.host, "ca": str(self.ca or "")},
                suggestions=["DOCKER_CERT_PATH must hold ca.pem, cert.pem and key.pem"],
            ) from error
        return context


def endpoint_from(
    host: str | None,
    environment: Mapping[str, str],
    *,
    tls: bool | None = None,
    certificates: Path | None = None,
) -> Endpoint:
    """Arguments beat the environment. Raises UserError CONFIGURATION_INVALID."""
    given = host or environment.get("DOCKER_HOST") or DEFAULT_HOST
    scheme, _, rest = given.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return Endpoint(given, "unix://localhost", socket=rest)
    if scheme not in ("tcp", "http", "https") or not urlsplit(given).hostname:
        raise UserError(
            "CONFIGURATION_INVALID",
            f"DOCKER_HOST {given!r} is not an address of an engine that can be used",
            suggestions=["use unix:///PATH, tcp://HOST:PORT or https://HOST:PORT"],
        )
    verify = bool(environment.get("DOCKER_TLS_VERIFY")) if tls is None else tls
    secure = scheme == "https" or (scheme == "tcp" and verify)
    wanted = "https" if secure else "http"
    parts = urlsplit(given)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    base = f"{wanted}://{name}:{parts.port or _PORTS[wanted]}"
    if not secure:
        return Endpoint(given, base)
    folder = certificates or Path(environment.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    return Endpoint(
        given,
        base,
        ca=_present(folder / "ca.pem"),
        certificate=_present(folder / "cert.pem"),
        key=_present(folder / "key.pem"),
    )


def _present(path: Path) -> Path | None:
    return path if path.exists() else None
