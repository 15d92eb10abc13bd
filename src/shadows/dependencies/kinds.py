"""What a function says of the kinds of its arguments and of its result: for codecs that have to be told."""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import Any
from weakref import WeakKeyDictionary

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_known: WeakKeyDictionary[Callable[..., Any], Kinds] = WeakKeyDictionary()


@attrs.frozen
class Kinds:
    """The annotations of one function; Any where there is none."""

    positional: tuple[Any, ...]
    """of what may be passed by position, in order"""
    named: Mapping[str, Any]
    """of what may be passed by keyword"""
    more: Any
    """of each further positional argument"""
    more_named: Any
    """of each further keyword"""
    result: Any

    def fit(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], fit: Callable[[Any, Any], Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call, each as ``fit`` makes it of a value and its kind."""
        kinds = (*self.positional, *[self.more] * (len(args) - len(self.positional)))
        fitted = tuple(fit(value, kind) for value, kind in zip(args, kinds, strict=False))
        named = {name: fit(value, self.named.get(name, self.more_named)) for name, value in kwargs.items()}
        return fitted, named


def kinds(function: Callable[..., Any]) -> Kinds:
    """Return what the function's annotations say; one that cannot be evaluated says nothing."""
    try:
        found = _known.get(function)
    except TypeError:  # what can be called need not be hashable, nor allow weak references
        return _read(function)
    if found is None:
        found = _known[function] = _read(function)
    return found


def _read(function: Callable[..., Any]) -> Kinds:
    try:
        signature = inspect.signature(function, eval_str=True)
    except Exception:  # noqa: BLE001 - to evaluate an annotation may raise anything
        signature = inspect.signature(function)
    parameters = signature.parameters.values()
    by_position = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    by_name = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return Kinds(
        positional=tuple(_kind(each.annotation) for each in parameters if each.kind in by_position),
        named={each.name: _kind(each.annotation) for each in parameters if each.kind in by_name},
        more=next((_kind(each.annotation) for each in parameters if each.kind is Parameter.VAR_POSITIONAL), Any),
        more_named=next((_kind(each.annotation) for each in parameters if each.kind is Parameter.VAR_KEYWORD), Any),
        result=_kind(signature.return_annotation),
    )


def _kind(annotation: Any) -> Any:
    return Any if annotation is Parameter.empty or isinstance(annotation, str) else annotation
