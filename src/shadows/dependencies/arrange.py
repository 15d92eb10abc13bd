"""Arrange: from what a task and its dependencies declare to steps; done once, when the task is registered."""

from __future__ import annotations

import functools
import inspect
from inspect import Parameter
from typing import Any, Final

import attrs

from shadows.dependencies.dependency import CompletionHandler, Dependency, FailureHandler, Runtime
from shadows.dependencies.depends import Argument, CallerArgument, Made, MadeOnce
from shadows.dependencies.logged import Logged
from shadows.dependencies.opened import Shape
from shadows.dependencies.signature import Declared, Signature, is_async, name_of, read, without_partials
from shadows.dependencies.steps import Arrangement, Kind, Step, ordered
from shadows.errors import ConfigurationError, CycleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from shadows.dependencies.overrides import Overrides
    from shadows.dependencies.plan import Plan
    from shadows.dependencies.running import Running

DECIDERS: Final = (Runtime, FailureHandler, CompletionHandler)
"""Those who run the body, or decide what follows."""


def arrange(plan: Plan, given: frozenset[str]) -> Arrangement:
    """Return the steps of a run in which the caller supplied the ``given`` parameters himself.

    Raises:
        ConfigurationError: a dependency lacks something.
        CycleError: dependencies need each other in a circle.
    """
    own = [each for each in plan.declared if each.annotates or each.parameter not in given]
    arranger = _Arranger(plan.overrides, {})
    task = arranger.task = _Caller(plan.name, _supplied(own), arranger.argument_of(plan))
    worker = _Caller(
        "worker", _supplied(plan.everywhere), functools.partial(task.value, arranger=arranger), lenient=True
    )
    for each in plan.everywhere:
        arranger.declared(each, worker)
    for each in (each for each in own if each.annotates and isinstance(each.marker, Dependency)):
        arranger.declared(each, task)
    fills = tuple((each.parameter, arranger.declared(each, task)) for each in own if not each.annotates)
    refills = tuple(
        (each.parameter, arranger.supplied_decider(each.parameter))
        for each in plan.declared
        if each.parameter in given and isinstance(each.marker, DECIDERS)
    )
    lifecycles = tuple(arranger.lifecycles)
    return ordered(
        arranger.steps, arranger.size, fills, in_thread=not plan.is_async, refills=refills, lifecycles=lifecycles
    )


def check_singles(name: str, declared: Iterable[Declared]) -> None:
    """Raise ConfigurationError if there are two of a kind of which a task can have only one."""
    found: dict[type, Declared] = {}
    for each in declared:
        kind = next((one for one in reversed(type(each.marker).__mro__) if getattr(one, "single", False)), None)
        if kind in found:
            other = found[kind]
            nearest = next(one for one in type(each.marker).__mro__ if isinstance(other.marker, one))
            msg = (
                f"{name}() declares {nearest.__name__} twice, in {other.parameter!r} and {each.parameter!r}; "
                f"keep one of them"
            )
            raise ConfigurationError(msg)
        if kind is not None:
            found[kind] = each


@attrs.define(eq=False)
class _Caller:
    """Whoever has parameters: the task, the worker, or a dependency's function."""

    name: str
    markers: Mapping[str, Declared]
    """those of its parameters that are dependencies"""
    otherwise: Callable[[str], int | None]
    """where any other parameter's value lies"""
    caller: _Caller | None = None
    lenient: bool = False
    """what a task lacks fails its runs, not its registration"""

    def value(self, parameter: str, arranger: _Arranger) -> int | None:
        """Return the slot of what a parameter has; None where there is no such parameter."""
        each = self.markers.get(parameter)
        return self.otherwise(parameter) if each is None else arranger.declared(each, self)


def _nobody() -> _Caller:
    """Return who depends on what is shared."""
    return _Caller("Shared", {}, lambda _: None)


@attrs.define(eq=False)
class _Arranger:
    """Makes steps, each thing only once."""

    overrides: Overrides
    path: dict[object, str]
    """what is being arranged now: to find circles"""
    shared: bool = False
    """what is made here lives as long as the worker"""
    task: _Caller = attrs.field(factory=_nobody)
    steps: list[Step] = attrs.field(factory=list[Step])
    size: int = 0
    lifecycles: dict[type[Dependency], None] = attrs.field(factory=dict["type[Dependency]", None])
    _slots: dict[object, int] = attrs.field(factory=dict[object, int])

    def declared(self, each: Declared, caller: _Caller) -> int:
        """Return the slot of what a marker comes to."""
        label = f"{caller.name}({each.parameter})"
        return self._once((caller, id(each)), label, lambda: self._declared(each, caller, label))

    def argument_of(self, plan: Plan) -> Callable[[str], int | None]:
        """Return what finds the slot of one of the task's own arguments."""

        def argument(name: str) -> int | None:
            known = name in plan.positional or name in plan.keywords or plan.any_keyword
            return self._argument(name) if known else None

        return argument

    def supplied_decider(self, name: str) -> int:
        """Return the slot of a run's own copy of a dependency that the caller supplied."""

        def make(running: Running) -> object:
            found = running.argument(name)
            return found.for_run(running) if isinstance(found, DECIDERS) else found

        return self._add(Kind.GIVE, name, make, decides=True)

    def _declared(self, each: Declared, caller: _Caller, label: str) -> int:
        match each.marker:
            case MadeOnce(function=function):
                return self._shared(function)
            case Made(function=function):
                return self._function(function, caller)
            case Argument() as marker if not self.shared:
                return self._task_argument(marker, marker.name or each.parameter, caller, label)
            case CallerArgument(name=name) if caller.caller is not None:
                slot = caller.caller.value(name or each.parameter, self)
                return slot if slot is not None else self._lack(name or each.parameter, caller.caller, caller, label)
            case CallerArgument():
                msg = f"{label} is a CallArgument, but nobody calls {caller.name}() for a dependency"
                raise ConfigurationError(msg)
            case Dependency() as marker if not self.shared:
                return self._dependency(marker, each, caller, label)
            case marker if marker.lasting or not self.shared:
                return self._add(Kind.GIVE, label, marker.for_worker if self.shared else marker.for_run)
            case marker:
                msg = f"{label} belongs to one run ({type(marker).__name__}), but what is Shared serves all of them"
                raise ConfigurationError(msg)

    def _dependency(self, marker: Dependency, each: Declared, caller: _Caller, label: str) -> int:
        kind = type(marker)
        decides = isinstance(marker, DECIDERS)
        if caller.caller is not None and (decides or each.annotates):
            raise ConfigurationError(f"{label} declares {kind.__name__}, which only a task can declare")
        if kind.worker_lifecycle.__func__ is not Dependency.worker_lifecycle.__func__:  # type: ignore[attr-defined]
            self.lifecycles[kind] = None
        if each.annotates:
            slot = caller.value(each.parameter, self)
            bound = (each.parameter, self._constant(None) if slot is None else slot)
            return self._add(Kind.ENTER, label, marker.for_run, bound=bound, decides=decides)
        enters = (kind.__aenter__, kind.__aexit__) != (Dependency.__aenter__, Dependency.__aexit__)
        return self._add(Kind.ENTER if enters else Kind.GIVE, label, marker.for_run, decides=decides)

    def _function(self, function: Callable[..., Any], caller: _Caller) -> int:
        function = self.overrides.of(function)
        signature = read(function)
        its_own = any(isinstance(each.marker, CallerArgument) for each in signature.declared)
        key = "function", id(function), caller if its_own else None
        return self._once(key, f"{signature.name}()", lambda: self._call(function, signature, caller))

    def _call(self, function: Callable[..., Any], signature: Signature, caller: _Caller) -> int:
        name = signature.name
        inner = _Caller(name, _supplied(signature.declared), self._default_of(signature), caller, caller.lenient)
        for each in signature.declared:
            if each.annotates and not isinstance(each.marker, Logged):
                kind = type(each.marker).__name__
                raise ConfigurationError(f"{name}({each.parameter}) declares {kind}, which only a task can declare")
        slots = tuple((each, self.declared(marker, inner)) for each, marker in inner.markers.items())
        for parameter in signature.parameters:
            needed = parameter.kind not in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
            if needed and parameter.default is Parameter.empty and parameter.name not in inner.markers:
                msg = (
                    f"{caller.name}() depends on {name}(), whose parameter {parameter.name!r} nobody gives a value; "
                    f"give it a default, such as TaskArgument(), CallArgument() or Depends(...)"
                )
                raise ConfigurationError(msg)
        if is_async(function):
            return self._add(Kind.AWAIT, f"{name}()", function, slots=slots)
        shape, threaded = _shape(function), not _needs_the_loop(function)
        return self._add(Kind.CALL, f"{name}()", function, slots=slots, shape=shape, threaded=threaded)

    def _shared(self, function: Callable[..., Any]) -> int:
        function = self.overrides.of(function)

        def arrange() -> int:
            inside = _Arranger(self.overrides, self.path, shared=True)
            slot = inside._function(function, _nobody())
            shared = ordered(inside.steps, inside.size, (), result=slot)
            return self._add(Kind.SHARE, f"Shared({name_of(function)})", function, shared=shared)

        return self._once(("shared", id(function)), f"Shared({name_of(function)})", arrange)

    def _task_argument(self, marker: Argument, name: str, caller: _Caller, label: str) -> int:
        slot = self.task.value(name, self)
        if slot is None:
            return self._constant(None) if marker.optional else self._lack(name, self.task, caller, label)
        return slot

    def _lack(self, name: str, of: _Caller, caller: _Caller, label: str) -> int:
        """Refuse the task, or, where the worker brought the dependency, its runs."""
        msg = f"{label} asks for {of.name}()'s parameter {name!r}, but there is none"
        if not caller.lenient:
            raise ConfigurationError(msg)

        def refuse(running: Running) -> object:
            del running
            raise ConfigurationError(msg)

        return self._add(Kind.GIVE, label, refuse)

    def _argument(self, name: str) -> int:
        def make(running: Running) -> object:
            return running.argument(name)

        return self._once(("argument", name), name, lambda: self._add(Kind.GIVE, name, make))

    def _default_of(self, signature: Signature) -> Callable[[str], int | None]:
        defaults = {each.name: each.default for each in signature.parameters if each.default is not Parameter.empty}
        return lambda name: self._constant(defaults[name]) if name in defaults else None

    def _constant(self, value: object) -> int:
        def make(running: Running) -> object:
            del running
            return value

        return self._add(Kind.GIVE, "a default", make)

    def _add(self, kind: Kind, label: str, make: Callable[..., Any], **more: Any) -> int:
        slot, self.size = self.size, self.size + 1
        self.steps.append(Step(kind, label, slot, make, **more))
        return slot

    def _once(self, key: object, label: str, arrange: Callable[[], int]) -> int:
        found = self._slots.get(key)
        if found is not None:
            return found
        if key in self.path:
            circle = [*self.path.values()][[*self.path].index(key) :]
            raise CycleError(f"these dependencies need each other: {' -> '.join([*circle, label])}")
        self.path[key] = label
        slot = self._slots[key] = arrange()
        del self.path[key]
        return slot


def _supplied(declared: Iterable[Declared]) -> dict[str, Declared]:
    return {each.parameter: each for each in declared if not each.annotates}


def _shape(function: Callable[..., Any]) -> Shape | None:
    if inspect.isasyncgenfunction(function):
        return Shape.ASYNC_GENERATOR
    return Shape.GENERATOR if inspect.isgeneratorfunction(function) else None


def _needs_the_loop(function: Callable[..., Any]) -> bool:
    """Whether the function, though no coroutine function, gives what must be entered on the event loop."""
    inner = inspect.unwrap(without_partials(function))
    return inspect.isasyncgenfunction(inner) or (isinstance(inner, type) and hasattr(inner, "__aenter__"))
