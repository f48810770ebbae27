"""The Docker engine, over aiodocker. Only this package knows it."""

from controller.engine.docker.engine import DockerEngine, connect

__all__ = ["DockerEngine", "connect"]
