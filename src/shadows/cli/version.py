"""``shadows version``."""

from __future__ import annotations

from shadows import __version__
from shadows.cli.exits import Code
from shadows.cli.options import AsJson
from shadows.cli.printing import print_json


def version(*, as_json: AsJson = False) -> int:
    """Print the version of shadows."""
    if as_json:
        print_json({"version": __version__})
    else:
        print(__version__)
    return Code.OK
