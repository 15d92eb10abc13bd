"""What each parameter of a call has, however it was passed: what strikes look at."""

from __future__ import annotations

import inspect
import typing
from inspect import Parameter
from typing import Annotated, Any

from shadows.dependencies.marker import Marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def by_name(
    function: Callable[..., Any] | None, args: Sequence[object], kwargs: Mapping[str, object]
) -> Mapping[str, object]:
    """Return each parameter's value: passed by position, by keyword, or its default.

    What the worker would fill in is left out.  Without the function, only what was passed by keyword has a name.
    """
    if function is None:
        return kwargs
    try:
        bound = inspect.signature(function).bind_partial(*args, **kwargs)
    except (TypeError, ValueError):  # it takes other arguments now than when the call was placed
        return kwargs
    bound.apply_defaults()
    values: dict[str, object] = {}
    for name, value in bound.arguments.items():
        if bound.signature.parameters[name].kind is Parameter.VAR_KEYWORD:
            values.update(value)
        elif not isinstance(value, Marker):
            values[name] = value
    return values


def declared(function: Callable[..., Any]) -> tuple[list[str] | None, Mapping[str, object]]:
    """Return the names of the function's parameters, None where it takes any keyword, and their annotations."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except Exception:  # noqa: BLE001 - to evaluate an annotation may raise anything
        parameters = inspect.signature(function).parameters.values()
    names = [each.name for each in parameters if each.kind is not Parameter.VAR_KEYWORD]
    kinds = {each.name: _bare(each.annotation) for each in parameters if each.annotation is not Parameter.empty}
    return (names if len(names) == len(parameters) else None), kinds


def _bare(annotation: Any) -> object:
    return annotation.__origin__ if typing.get_origin(annotation) is Annotated else annotation
