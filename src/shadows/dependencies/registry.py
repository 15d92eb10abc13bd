"""Which tasks this process knows, by name: functions travel by name only."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Self

import attrs

from shadows.core.names import shown, task_name
from shadows.dependencies.overrides import Overrides
from shadows.dependencies.plan import Plan, plan
from shadows.dependencies.process import is_marked, moved
from shadows.errors import ConfigurationError, UnknownTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@attrs.define
class Registry:
    """Plans by name.  A function is read once, when it is registered."""

    plans: dict[str, Plan] = attrs.field(factory=dict[str, Plan])
    overrides: Overrides = attrs.field(factory=Overrides)
    """other functions in the place of the tasks' dependencies"""
    watchers: list[Callable[[str, Plan], None]] = attrs.field(factory=list["Callable[[str, Plan], None]"])
    """called with each name and plan before it is registered; one that raises refuses it"""
    _names: dict[int, tuple[Callable[..., Any], str]] = attrs.field(factory=dict[int, "tuple[Callable[..., Any], str]"])
    """of each registered function, by its identity, so that unhashable callables can be tasks too"""

    _offered: set[str] = attrs.field(factory=set[str])
    """names that go to whoever else wants them"""

    @classmethod
    def offering(cls, functions: Iterable[Callable[..., Any]]) -> Self:
        """Return one that knows these functions, each under its own name until another one is registered under it."""
        made = cls()
        made._offered |= {made.register(function) for function in functions}
        return made

    @property
    def chosen(self) -> int:
        """How many names somebody chose to register; those that are always there do not count."""
        return len(self.plans) - len(self._offered)

    def register(
        self, function: Callable[..., Any], names: Iterable[str] | None = None, *, process: bool = False
    ) -> str:
        """Make the function known under its own name, or under these; return the first.

        With ``process``, or if it is marked so, it runs in a process of its own.

        Raises:
            ConfigurationError: it has no usable name, another function has it, its dependencies
                contradict each other, or it cannot run in another process.
            TypeError: it cannot be called at all.
        """
        known = self._names.get(id(function))
        if known is not None and names is None and not process:
            return known[1]
        made = plan(function, self.overrides)
        if process or is_marked(function):
            made = moved(made)
        chosen = [own_name(function)] if names is None else _chosen(names)
        for name in chosen:
            self._refuse_a_namesake(name, function)
        for watch in self.watchers:
            for name in chosen:
                watch(name, made)
        for name in chosen:
            self._forget_its_bearer(name)
            self._offered.discard(name)
            self.plans[name] = made
        self._names[id(function)] = function, chosen[0]
        return chosen[0]

    def named(self, name: str) -> Plan:
        """Return the plan of a name.

        Raises:
            UnknownTask: with near matches.
        """
        found = self.plans.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.plans, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "register it first: shadows.register(function)"
            msg = f"no task is named {name!r} here; {hint}"
            raise UnknownTask(msg)
        return found

    def _refuse_a_namesake(self, name: str, function: Callable[..., Any]) -> None:
        """A function defined anew in the same place, as in a closure or after a reload, takes the name
        over.
        """
        other = self.plans.get(name)
        if (
            other is None
            or name in self._offered
            or other.function is function
            or _place(other.function) == _place(function)
        ):
            return
        msg = (
            f"two tasks would be named {name!r}: {'.'.join(_place(other.function))} and {'.'.join(_place(function))}; "
            f"register one of them under another name: shadows.register(function, names=[...])"
        )
        raise ConfigurationError(msg, remedy=f"shadows.register({name}, names=[...]), in your module")

    def _forget_its_bearer(self, name: str) -> None:
        """Let go of the function that was called so.  A bound method is a new object each time it is looked
        up, so that ``add(mailer.send)`` would otherwise keep one more of them with every call.
        """
        former = self.plans.get(name)
        if former is not None and self._names.get(id(former.function), (None, ""))[1] == name:
            del self._names[id(former.function)]


def own_name(function: Callable[..., Any]) -> str:
    """Return the name that a function is registered under unless another is given."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        msg = (
            f"{function!r} has no name that another process could find it by; "
            f"give one: shadows.register(function, names=[...])"
        )
        raise ConfigurationError(msg)
    return task_name(name)


def _chosen(names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise ConfigurationError(f"names={shown(names)} is one text; write names=[{shown(names)}]")
    chosen = [task_name(name) for name in names]
    if not chosen:
        raise ConfigurationError("names=[] names nothing; leave it out to use the function's own name")
    return chosen


def _place(function: Callable[..., Any]) -> tuple[str, str]:
    return getattr(function, "__module__", "?") or "?", getattr(function, "__qualname__", "") or repr(function)
