"""Traefik: what is published to it, what it serves, and keeping it in place."""
