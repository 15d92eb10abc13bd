"""The public names and signatures, as text: `python3 dev.py api` writes the file that a test holds against the code.

So whoever changes what other programs use sees it in the difference, and so does who reviews it.
"""

from __future__ import annotations

import inspect
import re
import sys
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

FILE = Path(__file__).parents[1] / "tests" / "types" / "public_api.txt"
MODULES = ("shadows", "shadows.dependencies", "shadows.codecs", "shadows.testing", "shadows.fastapi")
"""What other programs import from."""


def text() -> str:
    """Return it all."""
    return "\n".join(line for name in MODULES for line in [*_module(name), ""])


def _module(name: str) -> Generator[str]:
    module = import_module(name)
    yield f"# {name}"
    for public in sorted(module.__all__):
        yield from _named(public, getattr(module, public))


def _named(name: str, value: Any) -> Iterable[str]:
    if inspect.isclass(value):
        return _class(name, value)
    if callable(value):
        return [f"def {name}{_signature(value)}"]
    if inspect.ismodule(value):
        return [f"module {name}", *(f"    {each}" for each in _functions(value))]
    return [f"{name}: {type(value).__name__}"]


def _functions(module: Any) -> list[str]:
    named: dict[str, Any] = module.__dict__
    own = {name: value for name, value in named.items() if not name.startswith("_") and callable(value)}
    return [f"{name}{_signature(value)}" for name, value in sorted(own.items()) if value.__module__ == module.__name__]


def _class(name: str, kind: type[Any]) -> Generator[str]:
    bases = [base.__name__ for base in kind.__bases__ if base is not object]
    yield f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    told: set[str] = set()
    if issubclass(kind, Enum):
        told = {*kind.__members__}
        yield from (f"    {member.name} = {member.value!r}" for member in kind)
    ours = [each for each in reversed(kind.__mro__) if each.__module__.partition(".")[0] == "shadows"]
    members: dict[str, Any] = {name: value for each in ours for name, value in vars(each).items()}
    fields = {name for each in ours for name in inspect.get_annotations(each) if not name.startswith("_")}
    for member in sorted({*members, *fields} - told):
        if member == "__init__" or not member.startswith("_"):
            yield from (f"    {line}" for line in _member(kind, member, members.get(member)))


def _member(kind: type[Any], name: str, value: Any) -> Iterable[str]:
    if isinstance(value, property):
        return [f"{name}: {_annotation(inspect.signature(value.fget).return_annotation) if value.fget else '?'}"]
    if isinstance(value, staticmethod | classmethod) or inspect.isfunction(value):
        return [f"def {name}{_signature(getattr(kind, name))}"]
    annotations = {name: said for each in kind.__mro__ for name, said in inspect.get_annotations(each).items()}
    return [f"{name}: {_annotation(annotations[name])}"] if name in annotations else [name]


def _annotation(said: object) -> str:
    return said if isinstance(said, str) else inspect.formatannotation(said)


def _signature(value: Any) -> str:
    try:
        found = str(inspect.signature(value))
    except ValueError:
        return "(...)"
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", re.sub(r" at 0x[0-9a-f]+", "", found))


def main(words: list[str]) -> int:
    """Print it, or write it to its file."""
    if words == ["--write"]:
        FILE.write_text(text())
    else:
        print(text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
