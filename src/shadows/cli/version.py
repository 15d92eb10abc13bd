"""``shadows version``."""

from __future__ import annotations

from shadows import __version__
from shadows.cli.exits import Code


def version() -> int:
    """Print the version of shadows."""
    print(__version__)
    return Code.OK
