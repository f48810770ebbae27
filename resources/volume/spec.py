"""What a Volume declares: data that outlives whoever uses it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from resources.cron import parse_cron
from resources.quantity import Period, StorageSize
from resources.spec import DnsLabel, Items, Spec, Text, worded

Uid = Annotated[
    str,
    *worded(
        r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "is not a uid like 3f2a9c01-58d4-4c1b-9d1e-0a7b6c5d4e3f",
    ),
]


def _schedule(text: str) -> str:
    parse_cron(text)
    return text


Schedule = Annotated[str, StringConstraints(max_length=200), AfterValidator(_schedule)]
TimeZone = Annotated[
    str,
    StringConstraints(max_length=64),
    *worded(
        r"^[A-Za-z][-+A-Za-z0-9_]*(/[-+A-Za-z0-9_]+)*$", "is not a time zone like 'Europe/Berlin'"
    ),
]
Command = Annotated[Items[Text], Field(min_length=1, max_length=256)]
Keep = Annotated[int, Field(ge=0, le=10_000)]


class BackupHook(Spec):
    """A command in a service that mounts the volume."""

    service: DnsLabel = Field(description="Name of the service in which it runs.")
    command: Command = Field(description="The command and its arguments.")
    timeout: Period = Field(60.0, description="How long it may take, like '60s'.")


class BackupHooks(Spec):
    """Commands around a backup."""

    before: Annotated[Items[BackupHook], Field(max_length=10)] = Field(
        (), description="Run first, in order; a failure cancels the backup."
    )
    after: Annotated[Items[BackupHook], Field(max_length=10)] = Field(
        (), description="Run last, in order, also after a failure."
    )


class BackupRetention(Spec):
    """Which backups are kept; one that any rule keeps stays."""

    keep_last: Keep | None = Field(None, description="This many of the newest.")
    keep_daily: Keep | None = Field(None, description="The newest of each of this many days.")
    keep_weekly: Keep | None = Field(None, description="The newest of each of this many weeks.")
    max_age: Period | None = Field(None, description="None older than this, like '30d'.")


class Backup(Spec):
    """When and how the data is copied away. This version keeps it and makes no backups."""

    enabled: bool = Field(
        False,
        description="true: backups are made by the schedule. Not carried out in this version.",
    )
    schedule: Schedule | None = Field(
        None, description="When, as in crontab: '30 3 * * *', or '@daily'."
    )
    time_zone: TimeZone = Field("UTC", description="Zone of the schedules, like 'Europe/Berlin'.")
    quiesce: Literal["pause", "stop", "none"] = Field(
        "none", description="What happens to the services that write, meanwhile."
    )
    hooks: BackupHooks = Field(BackupHooks(), description="Commands around a backup.")
    retention: BackupRetention = Field(
        BackupRetention(), description="Which backups are kept; nothing set: all."
    )
    rehearse: Schedule | None = Field(
        None, description="When a backup is restored into a scratch volume, to prove it."
    )

    @property
    def asked(self) -> bool:
        """Does somebody rely on it?"""
        return self.enabled or self.schedule is not None or self.rehearse is not None


class VolumeSpec(Spec):
    """Data that outlives whoever uses it."""

    size: StorageSize | None = Field(
        None,
        description="How much it may hold, like '10Gi'; absent: unlimited. It counts towards the "
        "organization's quota, but is not enforced, and what is used is not measured, in this "
        "version.",
    )
    on_full: Literal["refuse", "warn"] = Field(
        "warn",
        description="refuse: writes beyond the size fail, where the host can; warn: a warning. "
        "Without effect in this version.",
    )
    deletion_policy: Literal["Retain", "Expire", "Delete"] = Field(
        "Retain",
        description="What happens to the data when the Volume is deleted: kept until purged, "
        "kept for the organization's retainVolumes, or deleted.",
    )
    adopt: Uid | None = Field(
        None, description="uid of a retained volume whose data this one takes over."
    )
    backup: Backup = Field(
        Backup(),
        description="When and how the data is copied away. This version keeps it and makes no "
        "backups: back the data up yourself.",
    )
    warn_at: Annotated[int, Field(ge=1, le=100)] = Field(
        80,
        description="Percent of the size from which on there is a warning. Without effect in this "
        "version.",
    )
