"""The page of exceptions."""

import inspect

from shadows import errors
from shadows.errors import ShadowsError
from tools.reference.markup import body, code


def _ours() -> list[type[ShadowsError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ShadowsError)]
    return sorted(kinds, key=lambda kind: kind.__name__ != "ShadowsError")


def page() -> str:
    """Return the page: the tree, then each exception with its bases and what it carries."""
    parts = ["# Errors\n", body(inspect.getdoc(errors) or "")]
    for kind in _ours():
        bases = ", ".join(code(base.__name__) for base in kind.__bases__)
        parts.append(f"## {kind.__name__}\n\nA kind of {bases}.\n\n{body(kind.__doc__ or '')}")
    return "\n".join(parts)
