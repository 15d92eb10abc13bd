"""What a task's function takes and declares: read once, so that no call looks at its signature again."""

from __future__ import annotations

import builtins
import functools
import inspect
import typing
from collections import ChainMap
from inspect import Parameter
from typing import Annotated, Any

import attrs

from shadows.dependencies.dependency import CompletionHandler, FailureHandler, Runtime
from shadows.dependencies.marker import Marker
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from shadows.dependencies.running import Running

_NEVER = 1 << 30
"""The position of a parameter that takes only a keyword: no call has so many positional arguments."""


@attrs.frozen
class Resolved:
    """What a run's dependencies came to."""

    kwargs: dict[str, Any] = attrs.field(repr=False)
    """the keyword arguments for the body, with what the caller did not supply"""
    runtime: Runtime | None = None
    on_failure: FailureHandler | None = None
    on_complete: CompletionHandler | None = None


@attrs.frozen
class Plan:
    """How to check a call of one function, and how to complete its arguments in a run."""

    function: Callable[..., Any]
    name: str
    """the function's, for messages"""
    is_async: bool
    """whether calling it gives a coroutine; else it runs in a thread"""
    markers: Mapping[str, Marker]
    """what the worker fills in, by parameter"""
    positional: tuple[str, ...] = attrs.field(repr=False)
    """the parameters that take a positional argument, in order"""
    keywords: Mapping[str, int] = attrs.field(repr=False)
    """the parameters that take a keyword, and their positions"""
    required: Mapping[str, int] = attrs.field(repr=False)
    """those without which there is no call, and their positions"""
    least: int = attrs.field(repr=False)
    """so many positional arguments are enough"""
    most: int = attrs.field(repr=False)
    any_keyword: bool = attrs.field(repr=False)
    """whether it has a ``**`` parameter"""

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
                    names = ", ".join(self.keywords) or "none"
                    raise TypeError(f"{self.name}() has no parameter {name!r} to name; it has {names}")
            elif position < count:
                raise TypeError(f"{self.name}() got two values for its parameter {name!r}")
        for name, position in self.required.items():
            if position >= count and not (name in kwargs and name in self.keywords):
                raise TypeError(f"{self.name}() misses a value for its parameter {name!r}")

    def resolve(self, running: Running) -> Resolved:
        """Return what the run's dependencies come to; what the caller supplied stays."""
        args, kwargs = running.args, running.kwargs
        if not self.markers:
            return Resolved(kwargs)
        made = {name: marker.for_run(running) for name, marker in self.markers.items()}
        missing = [name for name in made if name not in kwargs and self.keywords[name] >= len(args)]
        values = made.values()
        return Resolved(
            {**kwargs, **{name: made[name] for name in missing}},
            next((value for value in values if isinstance(value, Runtime)), None),
            next((value for value in values if isinstance(value, FailureHandler)), None),
            next((value for value in values if isinstance(value, CompletionHandler)), None),
        )


def plan(function: Callable[..., Any]) -> Plan:
    """Read the function's signature.

    Raises:
        ConfigurationError: two markers of a single kind, or a signature that cannot be read.
        TypeError: it cannot be called at all.
    """
    if not callable(function):
        raise TypeError(f"a task must be a function, not {type(function).__name__}")
    name = _name(function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        msg = f"{name}() has no signature that Python can read; wrap it in a function of its own"
        raise ConfigurationError(msg) from None
    declared = [*_declared(function, name, parameters)]
    _check_singles(name, declared)
    markers = dict(declared)
    ordered = [each for each in parameters if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    positions = {each.name: position for position, each in enumerate(ordered)}
    named = [each for each in parameters if each.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    required = {
        each.name: positions.get(each.name, _NEVER)
        for each in (*ordered, *(each for each in named if each.name not in positions))
        if each.default is Parameter.empty and each.name not in markers
    }
    kinds = {each.kind for each in parameters}
    return Plan(
        function=function,
        name=name,
        is_async=_is_async(function),
        markers=markers,
        positional=tuple(positions),
        keywords={each.name: positions.get(each.name, _NEVER) for each in named},
        required=required,
        least=max(required.values(), default=-1) + 1,
        most=_NEVER if Parameter.VAR_POSITIONAL in kinds else len(positions),
        any_keyword=Parameter.VAR_KEYWORD in kinds,
    )


def _declared(function: Callable[..., Any], name: str, parameters: Iterable[Parameter]) -> Iterator[tuple[str, Marker]]:
    for parameter in parameters:
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        candidates = (parameter.default, *_metadata(function, name, parameter))
        for marker in (each for each in candidates if isinstance(each, Marker)):
            if parameter.kind is Parameter.POSITIONAL_ONLY:
                msg = f"{name}() takes its dependency {parameter.name!r} by position; move it behind the '/'"
                raise ConfigurationError(msg)
            yield parameter.name, marker


def _metadata(function: Callable[..., Any], name: str, parameter: Parameter) -> tuple[object, ...]:
    """Return what ``Annotated`` says of the parameter; the annotation may be text (PEP 563) or an alias."""
    annotation: Any = parameter.annotation
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, {}, _names(function))  # noqa: S307 - source code of the task, like the rest
        except Exception as error:
            if "Annotated" not in annotation:
                return ()
            msg = (
                f"the annotation of {name}()'s parameter {parameter.name!r} cannot be read "
                f"({type(error).__name__}: {error}); import or define what it names at the top of the module"
            )
            raise ConfigurationError(msg) from error
    while isinstance(annotation, typing.TypeAliasType):
        annotation = annotation.__value__
    return annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()


class _Anything(dict[str, Any]):
    """Names that exist only for the type checker."""

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)  # asked for by debuggers, which look at the variables of a frame
        return Any


def _names(function: Callable[..., Any]) -> Mapping[str, Any]:
    inner = inspect.unwrap(_without_partials(function))
    if isinstance(inner, type):
        inner = inspect.getattr_static(inner, "__init__")
    elif not hasattr(inner, "__globals__"):
        inner = type(inner).__call__
    return ChainMap(getattr(inner, "__globals__", {}), dict(vars(builtins)), _Anything())


def _check_singles(name: str, declared: Iterable[tuple[str, Marker]]) -> None:
    found: dict[type, tuple[str, Marker]] = {}
    for parameter, marker in declared:
        kind = next((each for each in reversed(type(marker).__mro__) if getattr(each, "single", False)), None)
        if kind in found:
            where, other = found[kind]
            nearest = next(each for each in type(marker).__mro__ if isinstance(other, each))
            msg = f"{name}() declares {nearest.__name__} twice, in {where!r} and {parameter!r}; keep one of them"
            raise ConfigurationError(msg)
        if kind is not None:
            found[kind] = parameter, marker


def _is_async(function: Callable[..., Any]) -> bool:
    inner = _without_partials(function)
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__)


def _without_partials(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _name(function: Callable[..., Any]) -> str:
    inner = _without_partials(function)
    return str(getattr(inner, "__name__", type(inner).__name__))
