"""What a task's function takes and declares: read once, so that no call looks at its signature again."""

from __future__ import annotations

from inspect import Parameter, iscoroutine
from typing import Any

import attrs

from shadows.dependencies.arrange import arrange, check_singles
from shadows.dependencies.gates import GateMarker, GatesOfTask, gates_of_task
from shadows.dependencies.logged import Logged, shown_call
from shadows.dependencies.overrides import Overrides
from shadows.dependencies.recurring import Recurring
from shadows.dependencies.signature import Declared, is_async, read
from shadows.dependencies.steps import Arrangement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NEVER = 1 << 30
"""The position of a parameter that takes only a keyword: no call has so many positional arguments."""
_MANY = 64
"""So many ways of supplying a task's dependencies are remembered."""


@attrs.frozen
class Plan:
    """How to check a call of one function, and how to complete its arguments in a run."""

    function: Callable[..., Any]
    name: str
    """the function's, for messages"""
    is_async: bool
    """whether calling it gives a coroutine; else it runs in a thread"""
    declared: tuple[Declared, ...]
    """all markers of the function, in order"""
    recurring: Recurring | None
    """the one of them that says what follows each run"""
    everywhere: tuple[Declared, ...] = attrs.field(repr=False)
    """what the worker adds to each of its tasks; the parameter's name is what messages call it"""
    logged: Mapping[str, Logged] = attrs.field(repr=False)
    """the arguments that may be seen"""
    gates: GatesOfTask = attrs.field(repr=False)
    """what a call must pass before its body runs"""
    positional: tuple[str, ...] = attrs.field(repr=False)
    """the parameters that take a positional argument, in order"""
    keywords: Mapping[str, int] = attrs.field(repr=False)
    """the parameters that take a keyword, and their positions"""
    required: Mapping[str, int] = attrs.field(repr=False)
    """those without which there is no call, and their positions"""
    defaults: Mapping[str, Any] = attrs.field(repr=False)
    """what those have that need no value, dependencies excepted"""
    least: int = attrs.field(repr=False)
    """so many positional arguments are enough"""
    most: int = attrs.field(repr=False)
    any_keyword: bool = attrs.field(repr=False)
    """whether it has a ``**`` parameter"""
    supplied: tuple[tuple[str, int], ...] = attrs.field(repr=False)
    """the parameters that the worker fills in, and their positions"""
    plain: bool
    """whether a body needs nothing but its arguments"""
    overrides: Overrides = attrs.field(repr=False)
    _arrangements: dict[object, Arrangement] = attrs.field(repr=False, factory=dict[object, Arrangement], eq=False)
    conditional: bool = attrs.field(
        init=False,
        repr=False,
        default=attrs.Factory(lambda self: bool(self.gates) or self.recurring is not None, takes_self=True),
    )
    """whether something may keep a call from running: gates, or a schedule that it has missed"""
    in_process: bool = False
    """whether it runs in a process of its own; see :mod:`shadows.dependencies.process`"""

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Check that the function takes these arguments; its dependencies may be among them, and need not.

        Raises:
            TypeError: one is missing, unknown, doubled or too many; the text names function and parameter.
        """
        count = len(args)
        if not kwargs and self.least <= count <= self.most:
            return
        if count > self.most:
            names = ", ".join(self.positional) or "none"
            msg = f"{self.name}() takes at most {self.most} positional arguments ({names}), not {count}"
            raise TypeError(msg)
        for name in kwargs:
            position = self.keywords.get(name)
            if position is None:
                if not self.any_keyword:
                    own = {one for one, _ in self.supplied}  # which may be given, but hardly are
                    names = ", ".join(each for each in self.keywords if each not in own) or "none"
                    raise TypeError(f"{self.name}() has no parameter {name!r} to name; it has {names}")
            elif position < count:
                raise TypeError(f"{self.name}() got two values for its parameter {name!r}")
        for name, position in self.required.items():
            if position >= count and not (name in kwargs and name in self.keywords):
                raise TypeError(f"{self.name}() misses a value for its parameter {name!r}")

    def argument(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the value of a parameter in a call: by name, by position or by default (INV 23).

        Raises:
            KeyError: the call gives it none.
        """
        if name in kwargs:
            return kwargs[name]
        if name in self.positional and (position := self.positional.index(name)) < len(args):
            return args[position]
        return self.defaults[name]

    def arrangement(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arrangement:
        """Return how to complete the arguments of this call.  What it supplies itself needs no dependency."""
        count = len(args)
        given = tuple(name for name, position in self.supplied if name in kwargs or position < count)
        key = given, self.overrides.version
        found = self._arrangements.get(key)
        if found is None:
            if len(self._arrangements) >= _MANY:
                self._arrangements.clear()
            found = self._arrangements[key] = arrange(self, frozenset(given))
        return found

    def with_everywhere(self, everywhere: tuple[Declared, ...]) -> Plan:
        """Return the plan for a worker that adds these to each task.

        Raises:
            ConfigurationError: two of a kind of which a task can have only one.
        """
        check_singles(self.name, (*everywhere, *self.declared))
        gates = self.gates.and_everywhere(everywhere)
        plain = self.plain and not everywhere
        made = attrs.evolve(self, everywhere=everywhere, gates=gates, plain=plain, arrangements={})
        made.arrangement((), {})
        return made

    def shown(self, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Return a call as it may be seen; ``task`` is its registered name."""
        return shown_call(task, self.logged, self.positional, args, kwargs)


def plan(function: Callable[..., Any], overrides: Overrides | None = None) -> Plan:
    """Read the function's signature.

    Raises:
        ConfigurationError: two markers of a single kind, one that this function cannot have, dependencies that lack
            something or go round in a circle, or a signature that cannot be read.
        TypeError: it cannot be called at all.
    """
    if not callable(function):
        hint = f"; it was called already, so write add({function.__name__})(...)" if iscoroutine(function) else ""
        raise TypeError(f"a task must be a function, not {type(function).__name__}{hint}")
    signature = read(function)
    parameters, markers = signature.parameters, signature.supplied
    check_singles(signature.name, signature.declared)
    ordered = [each for each in parameters if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    positions = {each.name: position for position, each in enumerate(ordered)}
    named = [each for each in parameters if each.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    either = (*ordered, *(each for each in named if each.name not in positions))
    required = {
        each.name: positions.get(each.name, _NEVER)
        for each in either
        if each.default is Parameter.empty and each.name not in markers
    }
    defaults = {each.name: each.default for each in either if each.name not in {**markers, **required}}
    kinds = {each.kind for each in parameters}
    made = Plan(
        function=function,
        name=signature.name,
        is_async=is_async(function),
        declared=signature.declared,
        recurring=next((each.marker for each in signature.declared if isinstance(each.marker, Recurring)), None),
        everywhere=(),
        logged={each.parameter: each.marker for each in signature.declared if isinstance(each.marker, Logged)},
        gates=gates_of_task(
            signature.name,
            signature.declared,
            positions={each.name: positions.get(each.name, _NEVER) for each in either if each.name not in markers},
            defaults=defaults,
        ),
        positional=tuple(positions),
        keywords={each.name: positions.get(each.name, _NEVER) for each in named},
        required=required,
        defaults=defaults,
        least=max(required.values(), default=-1) + 1,
        most=_NEVER if Parameter.VAR_POSITIONAL in kinds else len(positions),
        any_keyword=Parameter.VAR_KEYWORD in kinds,
        supplied=tuple((name, positions.get(name, _NEVER)) for name in markers),
        plain=all(isinstance(each.marker, Logged | GateMarker) and each.annotates for each in signature.declared),
        overrides=Overrides() if overrides is None else overrides,
    )
    for each in signature.declared:
        each.marker.check(made)
    made.arrangement((), {})
    return made
