"""The page of the Python API: every public name, how it is called, and what its docstring says."""

import enum
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, is_typeddict

import shadows
from shadows.core.arguments import WorkerArguments
from shadows.errors import ShadowsError
from shadows.sync_shadow import SyncArguments
from shadows.wiring import ShadowArguments
from tools.public_api import MODULES
from tools.reference.markup import body, code, first, sentence, table, told
from tools.reference.signatures import construction, fields, returned, signatures

_HEAD: Final = """\
# Python

Every public name, with its signature. [What a task declares](../dependencies.md) and the other guides show them at
work; exceptions have [a page of their own](errors.md). What is not here, or begins with an underscore, may change.
"""
_BY_NAME: Final[tuple[Any, ...]] = (ShadowArguments, SyncArguments, WorkerArguments)
"""What signatures unpack."""
_GROUP: Final = re.compile(r"^    # (.+)$|^    \"(\w+)\",$", re.MULTILINE)


def page() -> str:
    """Return the page: what `shadows` has, in the groups of its `__all__`, then the modules."""
    parts = [_HEAD]
    modules: list[ModuleType] = []
    for title, names in groups().items():
        found = {name: getattr(shadows, name) for name in names}
        modules += [each for each in found.values() if inspect.ismodule(each)]
        entries = ["\n".join(_entry(each, name)) for name, each in found.items() if _belongs_here(each)]
        if entries:
            parts += [f"## {title[0].upper()}{title[1:]}\n", *entries]
        if "Shadow" in names:
            parts += ["\n".join(_entry(kind, kind.__name__)) for kind in _BY_NAME]
    others = [importlib.import_module(name) for name in MODULES if name != "shadows"]
    for module in dict.fromkeys([*modules, *others]):
        parts += _module(module, module.__name__)
    return "\n".join(parts)


def groups() -> dict[str, list[str]]:
    """Return the public names under the comments that stand above them in `__all__`."""
    listing = inspect.getsource(shadows).partition("\n__all__ = [")[2].partition("\n]\n")[0]
    found: dict[str, list[str]] = {}
    for comment, name in _GROUP.findall(listing):
        if comment:
            found[comment] = []
        else:
            found[next(reversed(found))].append(name)
    return found


def _belongs_here(thing: object) -> bool:
    if isinstance(thing, type):
        return not issubclass(thing, ShadowsError)
    return not isinstance(thing, ModuleType | str)


def _module(module: ModuleType, name: str) -> Iterator[str]:
    """Return all that a module has; of one that names nothing public, its functions."""
    yield f"## {name}\n"
    yield body(inspect.getdoc(module) or "")
    own = {each: thing for each, thing in vars(module).items() if inspect.isroutine(thing) and not each.startswith("_")}
    functions = [each for each, thing in own.items() if thing.__module__ == module.__name__]
    for each in getattr(module, "__all__", functions):
        thing = getattr(module, each)
        if inspect.ismodule(thing):
            yield from _module(thing, f"{name}.{each}")
        else:
            yield "\n".join(_entry(thing, each))


def _entry(thing: Any, name: str) -> Iterator[str]:
    yield f"### {name}\n"
    if not callable(thing):
        yield body(_told_of(thing, name))
        return
    if not isinstance(thing, type):
        yield _signature(*signatures(thing, name))
        yield body(inspect.getdoc(thing) or "")
        return
    if is_typeddict(thing):
        yield _signature("\n".join([f"class {name}(TypedDict, total=False):", *_keys(thing)]))
        yield body(_as_arguments(thing.__doc__ or ""))
        return
    yield _signature(construction(thing))
    yield body(thing.__doc__ or "")
    if "__aenter__" in vars(thing):
        yield "To be used with `async with`.\n"
    yield from _values(thing)
    yield from _members(thing, name)


def _told_of(thing: object, name: str) -> str:
    """Return what stands below the assignment of a value, in whichever module that is."""
    homes = [
        home
        for home, module in sys.modules.items()
        if home.startswith("shadows.") and vars(module).get(name) is thing and module.__file__
    ]
    return next(text for home in homes if (text := told(home).get(name)))


def _keys(kind: type[Any]) -> Iterator[str]:
    for name, annotation in kind.__annotations__.items():
        yield f"    {name}: {getattr(annotation, '__forward_arg__', annotation)}"


def _as_arguments(text: str) -> str:
    """Return the docstring of a TypedDict, whose keys are told as the arguments of a function are."""
    about, _, keys = inspect.cleandoc(text).partition("\n\n")
    if not keys:
        return about
    return f"{about}\n\nArgs:\n" + "\n".join(f"    {line}" for line in keys.splitlines())


def _values(kind: type[Any]) -> Iterator[str]:
    """Return the members of an enum, or the fields of a value, in a table."""
    says = told(kind.__module__, kind.__name__)
    if issubclass(kind, enum.Enum):
        rows = [[code(each.name), code(repr(each.value)), sentence(says.get(each.name, ""))] for each in kind]
        yield table(["member", "value", "means"], rows)
    elif found := fields(kind):
        rows = [[code(name), code(shown), sentence(says.get(name, ""))] for name, shown in found]
        yield table(["attribute", "type", "is"], rows)


def _members(kind: type[Any], owner: str) -> Iterator[str]:
    """Return what the class itself defines: properties in a table, then its methods."""
    own: dict[str, Any] = {name: each for name, each in vars(kind).items() if not name.startswith("_")}
    properties = {name: each for name, each in own.items() if isinstance(each, property)}
    if properties:
        rows = [[code(name), code(returned(each.fget)), first(each.__doc__ or "")] for name, each in properties.items()]
        yield table(["property", "type", "is"], rows)
    for name, each in own.items():
        mark = next((word for word in ("classmethod", "staticmethod") if type(each).__name__ == word), "")
        function: Any = getattr(kind, name)
        if mark or inspect.isfunction(function):
            yield f"#### {owner}.{name}\n"
            shown = signatures(getattr(function, "__func__", function), name)
            yield _signature(*(f"@{mark}\n{one}" if mark else one for one in shown))
            yield body(inspect.getdoc(function) or "")


def _signature(*lines: str) -> str:
    text = "\n".join(lines).replace("'", '"')  # as the formatter would have it
    return f"<!-- signature -->\n```python\n{text}\n```\n"
