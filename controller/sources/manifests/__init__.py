"""Directories of manifests as a source of desired state (``docs/reference/manifests.md``)."""

from controller.sources.manifests.argument import Directory, directories
from controller.sources.manifests.declaration import Problem
from controller.sources.manifests.reader import Timing
from controller.sources.manifests.source import ManifestSource, SyncReport

__all__ = [
    "Directory",
    "ManifestSource",
    "Problem",
    "SyncReport",
    "Timing",
    "directories",
]
