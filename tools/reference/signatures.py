"""How a class or a function is called, as one would write it in a stub."""

import enum
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, Final, ParamSpec, TypeVar, get_overloads

import attrs

_WIDEST: Final = 100
_NO_CODE: Final = re.compile(r"<.*>")


def signatures(function: Callable[..., Any], name: str) -> list[str]:
    """Return one definition, or one for each overload."""
    variants = get_overloads(function)
    if not variants:
        return [_definition(function, name)]
    return [f"@overload\n{_definition(variant, name)}" for variant in variants]


def construction(kind: type[Any]) -> str:
    """Return how an instance is made; only the name where nobody is meant to make one."""
    ours = getattr(kind.__init__, "__module__", "").startswith("shadows")
    told = "\nArgs:" in inspect.cleandoc(kind.__doc__ or "")
    if issubclass(kind, enum.Enum) or not (ours or attrs.has(kind)) or (attrs.has(kind) and not told):
        return f"class {kind.__name__}: ..."
    made = "\n".join(signatures(kind.__init__, "__init__"))
    return f"class {kind.__name__}:\n{textwrap.indent(made, '    ')}"


def returned(function: Any) -> str:
    """Return the annotation of what comes back."""
    return _shown(inspect.signature(function).return_annotation)


def fields(kind: type[Any]) -> list[tuple[str, str]]:
    """Return the public fields of an attrs class or a pydantic model, with their types."""
    if not attrs.has(kind):
        named: dict[str, Any] = getattr(kind, "model_fields", {})
        return [(name, _shown(each.annotation)) for name, each in named.items()]
    return [(each.name, _shown(each.type)) for each in attrs.fields(kind) if not each.name.startswith("_")]


def _definition(function: Callable[..., Any], name: str) -> str:
    plain: Any = inspect.unwrap(function)
    signature = inspect.signature(plain)
    parameters = list(signature.parameters.values())
    word = "async def" if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain) else "def"
    kinds = ", ".join(_kind(each) for each in getattr(plain, "__type_params__", ()))
    start = f"{word} {name}[{kinds}]" if kinds else f"{word} {name}"
    result = _shown(signature.return_annotation)
    return _wrapped(start, _parameters(parameters), f" -> {result}" if result else "")


def _kind(parameter: ParamSpec | TypeVar) -> str:
    """Return a type parameter; its bound may name what is not imported at run time, and is left out."""
    return f"**{parameter.__name__}" if isinstance(parameter, ParamSpec) else parameter.__name__


def _wrapped(start: str, parameters: list[str], end: str) -> str:
    line = f"{start}({', '.join(parameters)}){end}: ..."
    if len(line) <= _WIDEST:
        return line
    return "\n".join([f"{start}(", *(f"    {each}," for each in parameters), f"){end}: ..."]).replace("*,,", "*,")


def _parameters(parameters: Iterable[inspect.Parameter]) -> list[str]:
    found: list[str] = []
    starred, before = False, None
    for each in parameters:
        if before is inspect.Parameter.POSITIONAL_ONLY and each.kind is not before:
            found.append("/")
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            found.append("*")
        starred = starred or each.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL)
        before = each.kind
        found.append(_parameter(each))
    return [*found, "/"] if before is inspect.Parameter.POSITIONAL_ONLY else found


def _parameter(each: inspect.Parameter) -> str:
    stars = "*" if each.kind is each.VAR_POSITIONAL else "**" if each.kind is each.VAR_KEYWORD else ""
    shown = _shown(each.annotation)
    text = f"{stars}{each.name}: {shown}" if shown else f"{stars}{each.name}"
    if each.default is inspect.Parameter.empty:
        return text
    default = each.default.__name__ if isinstance(each.default, type) else _NO_CODE.sub("...", repr(each.default))
    default = default.replace("datetime.timedelta(", "timedelta(")
    return f"{text} = {default}" if shown else f"{text}={default}"


def _shown(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return annotation
    return "None" if annotation is type(None) else getattr(annotation, "__name__", None) or str(annotation)
