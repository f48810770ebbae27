"""What can be declared, and what it means.

Everything here is pure: no asyncio, no I/O, no clock, no randomness. Time, ids and the
observed world are arguments. ``controller`` runs what this package decides; this package
imports nothing of ``controller`` (import-linter holds that).
"""
