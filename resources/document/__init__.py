"""Manifests as text: YAML and JSON in with places, YAML out.

``parse`` reads a file's text, ``check`` says what a document's spec gets wrong and on which line,
``interpret`` takes a document that came as values, ``dump`` writes.
"""

from resources.document.checking import check
from resources.document.reading import Document, Parsed, interpret, parse
from resources.document.rendering import dump

__all__ = ["Document", "Parsed", "check", "dump", "interpret", "parse"]
