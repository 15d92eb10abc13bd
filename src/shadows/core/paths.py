"""Where tasks lie: ``module`` or ``module:attribute``."""

from __future__ import annotations

import re

from shadows.core.names import shown
from shadows.errors import ConfigurationError

EXAMPLE = "myapp.tasks:tasks"
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_PATH = re.compile(rf"({_NAME})(?::({_NAME}))?")
_FILE = re.compile(r"(?:\.?[/\\])?(?P<module>[^:]*?)(?P<suffix>\.py)?(?P<attribute>:.*)?", re.DOTALL)


def parse(path: str, *, argument: str) -> tuple[str, str]:
    """Return the module and the attribute; the latter is empty if none is named.

    Raises:
        ConfigurationError: it reads otherwise; the text begins with ``argument``.
    """
    if path.endswith(".py") or ".py:" in path or not (found := _PATH.fullmatch(path)):
        raise _refused(path, argument)
    return found[1], found[2] or ""


def _refused(path: str, argument: str) -> ConfigurationError:
    found = _FILE.fullmatch(path)
    module = re.sub(r"[/\\]", ".", found["module"]) if found else ""
    meant = f"{module}{found['attribute'] or ''}" if found and (found["suffix"] or module != found["module"]) else ""
    if _PATH.fullmatch(meant):
        what = f"{argument}={shown(path)} is a file; write the module: {meant}"
        return ConfigurationError(what, value=path, instead=meant)
    what = f"{argument}={shown(path)} names no tasks; write module or module:attribute, for example {EXAMPLE}"
    return ConfigurationError(what, value=path)
