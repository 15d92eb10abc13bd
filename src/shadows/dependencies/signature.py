"""How the signature of a function is read, with the markers in it: once, when the function is registered."""

from __future__ import annotations

import builtins
import functools
import inspect
import typing
from collections import ChainMap
from inspect import Parameter
from typing import Annotated, Any

import attrs

from shadows.dependencies.marker import Marker
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@attrs.frozen
class Declared:
    """A marker, and the parameter that it stands at."""

    parameter: str
    marker: Marker
    annotates: bool = False
    """it says something about the argument that is passed there; else it gives the parameter its value"""


@attrs.frozen
class Signature:
    """A function's parameters, and the markers among them."""

    name: str
    """the function's, for messages"""
    parameters: tuple[Parameter, ...]
    declared: tuple[Declared, ...]

    @property
    def supplied(self) -> dict[str, Marker]:
        """The markers that give a parameter its value, by its name."""
        return {each.parameter: each.marker for each in self.declared if not each.annotates}


def read(function: Callable[..., Any]) -> Signature:
    """Read a function's signature.

    Raises:
        ConfigurationError: it cannot be read, or a parameter has two values.
    """
    name = name_of(function)
    try:
        parameters = tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        msg = f"{name}() has no signature that Python can read; wrap it in a function of its own"
        raise ConfigurationError(msg) from None
    return Signature(name, parameters, _each_once(name, _declared(function, name, parameters)))


def _each_once(name: str, declared: Iterator[Declared]) -> tuple[Declared, ...]:
    """Refuse two values for one parameter, unless they are of a single kind, which has a refusal of its own."""
    found = tuple(declared)
    given = [each.parameter for each in found if not each.annotates and not each.marker.single]
    twice = sorted({parameter for parameter in given if given.count(parameter) > 1})
    if twice:
        raise ConfigurationError(f"{name}() gives its parameter {twice[0]!r} two dependencies; keep one of them")
    return found


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling it gives a coroutine."""
    inner = without_partials(function)
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__)


def without_partials(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function inside of any ``functools.partial``."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def name_of(function: Callable[..., Any]) -> str:
    """Return what messages call a function."""
    inner = without_partials(function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _declared(function: Callable[..., Any], name: str, parameters: tuple[Parameter, ...]) -> Iterator[Declared]:
    for parameter in parameters:
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        if isinstance(parameter.default, Marker):
            yield _given(name, parameter, parameter.default)
        for each in _metadata(function, name, parameter):
            marker = _made(each)
            if isinstance(marker, Marker):
                yield _annotating(parameter, marker) if marker.annotates else _given(name, parameter, marker)


def _made(each: Any) -> Any:
    """Return an instance of what may stand as a class, such as ``Logged``."""
    kind: type[Any] = each if isinstance(each, type) else object
    return kind() if issubclass(kind, Marker) and kind.annotates else each


def _annotating(parameter: Parameter, marker: Marker) -> Declared:
    return Declared(parameter.name, marker, annotates=True)


def _given(name: str, parameter: Parameter, marker: Marker) -> Declared:
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        msg = f"{name}() takes its dependency {parameter.name!r} by position; move it behind the '/'"
        raise ConfigurationError(msg)
    return Declared(parameter.name, marker)


def _metadata(function: Callable[..., Any], name: str, parameter: Parameter) -> tuple[Any, ...]:
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
    inner = inspect.unwrap(without_partials(function))
    if isinstance(inner, type):
        inner = inspect.getattr_static(inner, "__init__")
    elif not hasattr(inner, "__globals__"):
        inner = type(inner).__call__
    return ChainMap(getattr(inner, "__globals__", {}), dict(vars(builtins)), _Anything())
