"""From ``module`` or ``module:attribute`` to the functions that lie there."""

from __future__ import annotations

import difflib
import inspect
import pkgutil
import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from shadows.core import paths
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

USUAL = "tasks"
"""What a module's list of tasks is called unless somebody says otherwise."""


class _RefusedError(Exception):
    """Why a path does not lead to tasks, and one that may."""

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.instead = instead


def collection(path: str, *, option: str = "tasks") -> list[Callable[..., Any]]:
    """Return the functions that a path names, which came from ``option``.

    ``module:attribute`` is an iterable of functions, or one function.  ``module`` alone is its ``tasks``, else every
    public function that is defined in it.

    Raises:
        ConfigurationError: there is no such module or attribute, or it holds something else.
    """
    name, attribute = paths.parse(path, argument=option)
    try:
        module = _module(name, attribute)
        if not attribute and not hasattr(module, USUAL):
            return _all_own(module)
        return _functions(module, attribute or USUAL)
    except _RefusedError as why:
        said = f"{option}={path!r}: {why}"
        raise ConfigurationError(said, source=option, value=path, instead=why.instead) from why.__cause__


def single(path: str, *, option: str, wanted: str) -> Any:
    """Return what ``module:attribute`` names, which is to be what is ``wanted``; the path came from ``option``.

    Raises:
        ConfigurationError: there is no such module or attribute.
    """
    name, attribute = paths.parse(path, argument=option)
    try:
        module = _module(name, attribute)
        return _attribute(module, attribute, wanted, lambda _: "")
    except _RefusedError as why:
        said = f"{option}={path!r}: {why}"
        raise ConfigurationError(said, source=option, value=path, instead=why.instead) from why.__cause__


def _module(name: str, attribute: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{name}.".startswith(f"{missing.name}."):
            raise
        near = _near_module(missing.name)
        if not near:
            raise _RefusedError(f"there is no module {missing.name!r}; is its folder on PYTHONPATH?") from missing
        instead = f"{near}{name.removeprefix(missing.name)}{attribute and ':'}{attribute}"
        raise _RefusedError(f"there is no module {missing.name!r}; did you mean {near}?", instead) from missing


def _all_own(module: ModuleType) -> list[Callable[..., Any]]:
    functions = _own_functions(module)
    if not functions:
        why = (
            f"the module {module.__name__!r} has no tasks: nothing called {USUAL!r}, and no public function of its own"
        )
        raise _RefusedError(why, f"{module.__name__}:NAME")
    return functions


def _functions(module: ModuleType, attribute: str) -> list[Callable[..., Any]]:
    found = _attribute(module, attribute, "a list of task functions", _likely)
    if callable(found):
        return [found]
    functions = list(found) if _is_iterable(found) else [found]  # at once: an iterator gives them but once
    wrong = [each for each in functions if not callable(each)]
    if not wrong:
        return functions
    what = (
        type(found).__name__ if found is wrong[0] else f"{type(found).__name__} with a {type(wrong[0]).__name__} in it"
    )
    named = wrong[0] if isinstance(wrong[0], str) and callable(getattr(module, wrong[0], None)) else _likely(module)
    why = f"it must be a function or an iterable of functions, not a {what}"
    raise _RefusedError(why, _in(module, named))


def _attribute(module: ModuleType, name: str, wanted: str, likely: Callable[[ModuleType], str]) -> Any:
    try:
        return attrgetter(name)(module)
    except AttributeError:
        near = next(iter(difflib.get_close_matches(name, _public(module), n=1)), "")
        hint = f"did you mean {near}?" if near else f"define it there: {wanted}"
        why = f"the module {module.__name__!r} has no {name!r}; {hint}"
        raise _RefusedError(why, _in(module, near or likely(module))) from None


def _in(module: ModuleType, name: str) -> str:
    return name and f"{module.__name__}:{name}"


def _own_functions(module: ModuleType) -> list[Callable[..., Any]]:
    return [
        value
        for name, value in vars(module).items()
        if inspect.isroutine(value) and not name.startswith("_") and value.__module__ == module.__name__
    ]


def _public(module: ModuleType) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def _likely(module: ModuleType) -> str:
    """Return the name of a list of functions in a module, else of a function; empty if there is neither."""
    public = vars(module)
    lists = [name for name in _public(module) if _is_list_of_functions(public[name])]
    names = [USUAL] * (USUAL in lists) + lists + [function.__name__ for function in _own_functions(module)]
    return names[0] if names else ""


def _is_list_of_functions(value: Any) -> bool:
    return type(value) in (list, tuple, set, frozenset) and bool(value) and all(map(callable, value))


def _near_module(missing: str) -> str:
    """Return the module nearest to one that is missing: in its package, or in the folder that comes first."""
    package, _, name = missing.rpartition(".")
    folders: Iterable[str] = sys.modules[package].__path__ if package else sys.path[:1]
    here = {each.name for each in pkgutil.iter_modules(folders)}
    here |= {each.parent.name for folder in folders for each in Path(folder).glob("*/*.py")}
    near = difflib.get_close_matches(name, here, n=1)
    return ".".join([package, near[0]]).lstrip(".") if near else ""


def _is_iterable(value: object) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes)
