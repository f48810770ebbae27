"""What the engine says, as values of ``resources.world``. Dicts end here.

Some peculiarities are levelled out. A container that was created and never started has
attachments without a network id (its network mode, which we set to the id, is used). The engine
adds the container's short id and host name to the aliases (cut off). It remembers the last health
of a container that no longer runs (dropped). Maps come in no order (sorted, so that equal worlds
are equal values).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from controller.engine.base import EngineEvent
from controller.engine.docker.making import made, process
from controller.engine.docker.powers import powers
from resources.labels import LABEL
from resources.observed import Attachment, Container, Image, Limits, Mount, Network, Volume

_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
_ID = re.compile(r"[0-9a-f]{64}")

TO_POLICY = {"always": "unless-stopped", "onFailure": "on-failure", "never": "no"}
_FROM_POLICY = {"unless-stopped": "always", "on-failure": "onFailure", "no": "never", "": "never"}


def moment(text: str | None) -> datetime | None:
    """The engine's RFC 3339 with nanoseconds; None for its zero time."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text)


def container_listed(raw: Mapping[str, Any]) -> Container:
    """One element of the list: no limits, aliases, policy or exit details."""
    health = _HEALTH.search(raw.get("Status") or "")
    return Container(
        id=raw["Id"],
        name=_name(raw.get("Names") or ()),
        labels=raw.get("Labels") or {},
        image=raw.get("Image") or "",
        image_id=raw.get("ImageID") or "",
        state=raw.get("State") or "",
        health=health.group(1) if health else "",
        created_at=datetime.fromtimestamp(raw.get("Created") or 0, UTC),
        networks=_attachments(raw, inspected=False),
        mounts=_mounts(raw.get("Mounts") or ()),
    )


def container_inspected(raw: Mapping[str, Any]) -> Container:
    state, config, host = raw["State"], raw["Config"], raw["HostConfig"]
    ended = state["Status"] in ("exited", "dead", "restarting") or bool(state.get("Error"))
    health = (state.get("Health") or {}).get("Status") or ""
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        labels=config.get("Labels") or {},
        image=config.get("Image") or "",
        image_id=raw.get("Image") or "",
        state=state["Status"],
        health=health if state["Status"] in ("running", "paused") and health != "none" else "",
        exit_code=state.get("ExitCode") if ended else None,
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        restarts=raw.get("RestartCount") or 0,
        pid=state.get("Pid") or 0,
        created_at=moment(raw.get("Created")),
        started_at=moment(state.get("StartedAt")),
        finished_at=moment(state.get("FinishedAt")),
        networks=_attachments(raw, inspected=True),
        mounts=_mounts(raw.get("Mounts") or ()),
        limits=Limits(
            nano_cpus=host.get("NanoCpus") or 0,
            memory=host.get("Memory") or 0,
            pids=host.get("PidsLimit") or 0,
            memory_swap=host.get("MemorySwap") or 0,
        ),
        restart_policy=policy(host.get("RestartPolicy") or {}),
        powers=powers(raw),
        made=made(raw),
        inspected=True,
    )


def policy(raw: Mapping[str, Any]) -> str:
    """always, onFailure, never; what we never set is shown as ``engine:NAME``, as drift."""
    name, limit = raw.get("Name") or "", raw.get("MaximumRetryCount") or 0
    if limit or name not in _FROM_POLICY:
        return f"engine:{name}:{limit}" if limit else f"engine:{name}"
    return _FROM_POLICY[name]


def network(raw: Mapping[str, Any]) -> Network:
    options = raw.get("Options") or {}
    pools = (raw.get("IPAM") or {}).get("Config") or ()
    default = "br-" + raw["Id"][:12] if raw.get("Driver") == "bridge" else ""
    return Network(
        id=raw["Id"],
        name=raw["Name"],
        labels=raw.get("Labels") or {},
        subnets=tuple(p["Subnet"] for p in pools if p.get("Subnet")),
        internal=bool(raw.get("Internal")),
        bridge=options.get("com.docker.network.bridge.name") or default,
    )


def volume(raw: Mapping[str, Any]) -> Volume:
    return Volume(
        name=raw["Name"],
        labels=raw.get("Labels") or {},
        created_at=raw.get("CreatedAt") or "",
        mountpoint=raw.get("Mountpoint") or "",
    )


def image(raw: Mapping[str, Any], reference: str) -> Image:
    return Image(
        id=raw["Id"],
        reference=reference,
        digests=tuple(sorted(raw.get("RepoDigests") or ())),
        user=(raw.get("Config") or {}).get("User") or "",
        tags=tuple(sorted(tags(raw))),
        process=process(raw.get("Config") or {}),
    )


def tags(raw: Mapping[str, Any]) -> list[str]:
    """Of an image, listed or inspected."""
    return [tag for tag in raw.get("RepoTags") or () if tag != "<none>:<none>"]


def event(raw: Mapping[str, Any]) -> EngineEvent:
    """``health_status: healthy`` becomes ``health_status``: whoever cares, inspects."""
    actor = raw.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    kind = raw.get("Type") or ""
    return EngineEvent(
        type=kind,
        action=(raw.get("Action") or "").partition(":")[0],
        id=actor.get("ID") or "",
        name=attributes.get("name") or (actor.get("ID") or "" if kind == "volume" else ""),
        labels={k: v for k, v in attributes.items() if k.startswith(LABEL)},
        container=attributes.get("container") or "",
        time_nano=raw.get("timeNano") or 0,
        exit_code=_number(attributes.get("exitCode")),
    )


def _number(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() else None


def _name(names: Iterable[str]) -> str:
    """The container's own name among those that links gave it."""
    own = [n[1:] for n in names if n.startswith("/") and "/" not in n[1:]]
    return own[0] if own else ""


def _attachments(raw: Mapping[str, Any], *, inspected: bool) -> tuple[Attachment, ...]:
    found = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    mode = (raw.get("HostConfig") or {}).get("NetworkMode") or ""
    ids = [e.get("NetworkID") or "" for e in found.values()]
    usable = ids.count("") == 1 and mode not in ids and _ID.fullmatch(mode) is not None
    return tuple(
        sorted(
            (
                Attachment(
                    network_id=e.get("NetworkID") or (mode if usable else name),
                    address=e.get("IPAddress") or "",
                    aliases=_aliases(e.get("Aliases") or (), raw["Id"]) if inspected else None,
                )
                for name, e in found.items()
            ),
            key=lambda a: a.network_id,
        )
    )


def _aliases(given: Iterable[str], container: str) -> tuple[str, ...]:
    """Those that were asked for: the engine appends the short id, then the host name."""
    wanted = []
    for alias in given:
        if alias == container[:12]:
            break
        wanted.append(alias)
    return tuple(wanted)


def _mounts(raw: Iterable[Mapping[str, Any]]) -> tuple[Mount, ...]:
    return tuple(
        sorted(
            (
                Mount(m["Name"], m["Destination"], not m.get("RW", True))
                for m in raw
                if m.get("Type") == "volume" and m.get("Name")
            ),
            key=lambda m: m.path,
        )
    )
