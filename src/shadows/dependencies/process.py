"""Tasks that run in a process of their own: which are, and which can be."""

from __future__ import annotations

import pickle
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from shadows.dependencies.dependency import Dependency
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.dependencies.plan import Plan

_MARK = "__shadows_in_process__"


def in_process[F: Callable[..., Any]](function: F) -> F:
    """Mark a plain function as one that workers run in another process, where it can be killed.

    ::

        @in_process
        def crunch(numbers: list[int]) -> int: ...

    It stays the same function.  For one that cannot be marked: ``shadows.register(crunch, process=True)``.
    """
    setattr(function, _MARK, True)
    return function


def is_marked(function: Callable[..., Any]) -> bool:
    """Whether the function is marked to run in a process."""
    return getattr(function, _MARK, False) is True


def moved(plan: Plan) -> Plan:
    """Return the plan of the same task in a process.

    Raises:
        ConfigurationError: it cannot run there; the text says why, and what to do.
    """
    name = plan.name
    if plan.is_async:
        msg = f"{name}() is async, and a process runs only plain functions; write def, or leave it on the event loop"
        raise ConfigurationError(msg)
    for each in plan.declared:
        if not (each.annotates or each.marker.travels or isinstance(each.marker, Dependency)):
            msg = (
                f"{name}() runs in another process, where the worker's own value of its parameter {each.parameter!r} "
                f"is of no use; run it in a thread instead, or leave that to a task that adds this one"
            )
            raise ConfigurationError(msg)
    try:
        _write(plan.function)
    except Exception as error:
        msg = (
            f"{name}() cannot be found from another process ({type(error).__name__}: {error}); "
            f"put it at the top of a module"
        )
        raise ConfigurationError(msg) from error
    return attrs.evolve(plan, in_process=True)


class StaysBehind:
    """Has the place of a dependency that does its work around the body, in the worker, such as a time limit."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(f"{self._what} stays in the worker, and the task is in another process: no {name!r} here")

    def __reduce__(self) -> tuple[type[StaysBehind], tuple[str]]:
        return StaysBehind, (self._what,)


def parcel(plan: Plan, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments as they can go to another process."""
    staying = {
        each.parameter: StaysBehind(f"{each.parameter}: {type(each.marker).__name__}")
        for each in plan.declared
        if each.parameter in kwargs and not (each.annotates or each.marker.travels)
    }
    return {**kwargs, **staying}


def _write(function: Callable[..., Any]) -> None:
    """Try how a function travels: by its module and name, else, as from a program's main module, as it is."""
    try:
        pickle.dumps(function)
    except Exception:  # noqa: BLE001 - a callable object's own __reduce__ may raise anything
        cloudpickle: Any = import_module("cloudpickle")  # 20 ms that most programs never need
        cloudpickle.dumps(function)
