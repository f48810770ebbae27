"""What an organization's services may ask of the kernel.

Two profiles, after the Pod Security Standards. ``restricted`` has no capability at all: the one
that the standard lets it ask for, NET_BIND_SERVICE, is of no use to a process that is not root,
and the engine lets everybody bind low ports inside a container. Capabilities that amount to root
on the host, or that reach beyond the container's own namespaces, are in no profile and cannot be
allowed.
"""

from __future__ import annotations

from typing import Literal

Profile = Literal["restricted", "baseline"]

PROFILE_CAPABILITIES: dict[Profile, frozenset[str]] = {
    "restricted": frozenset(),
    "baseline": frozenset(
        {
            "AUDIT_WRITE",
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "FSETID",
            "KILL",
            "NET_BIND_SERVICE",
            "SETFCAP",
            "SETGID",
            "SETPCAP",
            "SETUID",
            "SYS_CHROOT",
        }
    ),
}
"""What services of that profile may have without being allowed more."""

GRANTABLE_CAPABILITIES = PROFILE_CAPABILITIES["baseline"] | {
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BROADCAST",
    "NET_RAW",
    "SYS_NICE",
    "SYS_PTRACE",
}
"""All that ``allowedCapabilities`` may name: they stay within the container's namespaces."""

FORBIDDEN_CAPABILITIES = frozenset(
    {
        "ALL",
        "AUDIT_CONTROL",
        "AUDIT_READ",
        "BLOCK_SUSPEND",
        "BPF",
        "CHECKPOINT_RESTORE",
        "DAC_READ_SEARCH",
        "LINUX_IMMUTABLE",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "PERFMON",
        "SYSLOG",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_MODULE",
        "SYS_PACCT",
        "SYS_RAWIO",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "WAKE_ALARM",
    }
)


def capability(name: str) -> str:
    """A grantable capability without its ``CAP_``. Raises ValueError that says why not."""
    if name in GRANTABLE_CAPABILITIES:
        return name
    bare = name.upper().removeprefix("CAP_")
    if bare in FORBIDDEN_CAPABILITIES:
        raise ValueError(f"{bare} reaches beyond the container and is never granted")
    if bare in GRANTABLE_CAPABILITIES:
        raise ValueError(f"capabilities are written without 'CAP_', in capitals: {bare}")
    raise ValueError(f"is not a capability; one of {', '.join(sorted(GRANTABLE_CAPABILITIES))}")


def allowed_capabilities(profile: Profile, extra: tuple[str, ...]) -> frozenset[str]:
    """Everything that a service of the organization may have."""
    return PROFILE_CAPABILITIES[profile] | frozenset(extra)
