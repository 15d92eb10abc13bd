"""Gates as a task declares them: limits on how many of its calls run, how often, and which.

Each of them limits the task as a whole when it is a parameter's default, and the calls with one value of an
argument when it annotates that argument::

    async def sync(tenant: Annotated[str, ConcurrencyLimit(2)], rate: RateLimit = RateLimit(10, per=minute)): ...
"""

from __future__ import annotations

import difflib
from datetime import timedelta
from typing import Any, ClassVar, Final, override

import attrs

from shadows.core import gates
from shadows.core.durations import duration
from shadows.core.names import shown
from shadows.core.scheduling import milliseconds
from shadows.dependencies.marker import Marker
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shadows.core.gates import Gate
    from shadows.dependencies.signature import Declared

_NOTHING: Final = object()


class GateMarker(Marker):
    """What all gates have in common.  A task may have several, of one kind too: a call passes all of them or
    none.
    """

    __slots__ = ("argument", "scope")

    annotates: ClassVar[bool] = True

    argument: str | None
    """whose value tells the calls apart; None: the one that it annotates, else the task as a whole"""
    scope: str | None
    """gates of different scopes have nothing to do with each other"""

    def __init__(self, scope: str | None, argument: str | None = None) -> None:
        kind = type(self).__name__
        if scope is not None and not isinstance(scope, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{kind} scope={scope!r} must be a string, or None for none")
        if scope == "":
            raise ConfigurationError(f"{kind} scope='' is empty; leave it out, or name what shares the limit")
        self.scope = scope
        self.argument = argument

    def gate(self, name: str) -> Gate:
        """Return the gate of this name."""
        raise NotImplementedError

    def _repr(self, what: str) -> str:
        parts = [*([] if self.argument is None else [repr(self.argument)]), what]
        parts += [] if self.scope is None else [f"scope={self.scope!r}"]
        return f"{type(self).__name__}({', '.join(parts)})"


class ConcurrencyLimit(GateMarker):
    """At most ``max_concurrent`` calls run at a time; the others wait, in order, and are woken by the one that
    ends.

    ``ConcurrencyLimit("customer_id", max_concurrent=1)`` counts the calls with the same value of that argument,
    ``Annotated[int, ConcurrencyLimit(1)]`` those of the argument that it annotates, and
    ``ConcurrencyLimit(max_concurrent=3)`` all calls of the task.
    """

    __slots__ = ("max_concurrent",)

    max_concurrent: int

    def __init__(self, argument: str | int | None = None, max_concurrent: int = 1, scope: str | None = None) -> None:
        most, name = max_concurrent, argument
        if isinstance(name, int):
            if max_concurrent != 1:
                msg = f"ConcurrencyLimit({argument!r}, max_concurrent={max_concurrent!r}) names two limits; keep one"
                raise ConfigurationError(msg)
            most, name = name, None
        elif name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"ConcurrencyLimit argument={argument!r} must be the name of an argument")
        super().__init__(scope, name)
        self.max_concurrent = _count("ConcurrencyLimit max_concurrent", most)

    @override
    def gate(self, name: str) -> Gate:
        return gates.Slots(name, self.max_concurrent)

    def __repr__(self) -> str:
        return self._repr(f"max_concurrent={self.max_concurrent}")


class RateLimit(GateMarker):
    """At most ``limit`` calls begin in any ``per``.  The others wait for their moment, first come, first served; with
    ``drop`` they end cancelled, reason ``rate_limit``.
    """

    __slots__ = ("drop", "limit", "per")

    limit: int
    per: timedelta
    drop: bool

    def __init__(self, limit: int, per: timedelta, *, drop: bool = False, scope: str | None = None) -> None:
        super().__init__(scope)
        self.limit = _count("RateLimit limit", limit)
        self.per = duration(per, option="RateLimit per")
        self.drop = drop

    @override
    def gate(self, name: str) -> Gate:
        return gates.Rate(name, self.limit, milliseconds(self.per), self.drop)

    def __repr__(self) -> str:
        return self._repr(f"{self.limit}, per={self.per!r}{', drop=True' * self.drop}")


class Cooldown(GateMarker):
    """The first call runs; those that come within ``window`` after it began end cancelled, reason ``cooldown``."""

    __slots__ = ("window",)

    window: timedelta

    def __init__(self, window: timedelta, *, scope: str | None = None) -> None:
        super().__init__(scope)
        self.window = duration(window, option="Cooldown window")

    @override
    def gate(self, name: str) -> Gate:
        return gates.Cooldown(name, milliseconds(self.window))

    def __repr__(self) -> str:
        return self._repr(repr(self.window))


class Debounce(GateMarker):
    """The newest call runs when nothing newer has come for ``settle``; those before it end cancelled, reason
    ``debounced``.
    """

    __slots__ = ("settle",)

    settle: timedelta

    def __init__(self, settle: timedelta, *, scope: str | None = None) -> None:
        super().__init__(scope)
        self.settle = duration(settle, option="Debounce settle")

    @override
    def gate(self, name: str) -> Gate:
        return gates.Debounce(name, milliseconds(self.settle))

    def __repr__(self) -> str:
        return self._repr(repr(self.settle))


@attrs.frozen
class _Bound:
    """A gate, and where its argument's value is found in a call."""

    marker: GateMarker
    argument: str | None
    position: int
    default: object = attrs.field(repr=False)

    def name(self, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """Return what the gate is called for this call; None where the call lacks the argument."""
        if self.argument is None:
            return gates.gate_name(task, scope=self.marker.scope)
        value = kwargs.get(self.argument, args[self.position] if self.position < len(args) else self.default)
        if value is _NOTHING:
            return None
        return gates.gate_name(task, scope=self.marker.scope, argument=self.argument, value=value)


@attrs.frozen
class GatesOfTask:
    """The gates of one function; false when there are none."""

    bound: tuple[_Bound, ...] = ()
    positions: Mapping[str, int] = attrs.field(repr=False, factory=dict[str, int])
    """those of all parameters that take an argument of the caller"""
    defaults: Mapping[str, object] = attrs.field(repr=False, factory=dict[str, object])
    """what some of them have"""

    def __bool__(self) -> bool:
        return bool(self.bound)

    def and_everywhere(self, everywhere: Iterable[Declared]) -> GatesOfTask:
        """Return these with the gates that a worker adds to each of its tasks which has their argument."""
        markers = [each.marker for each in everywhere if isinstance(each.marker, GateMarker)]
        added = [self.bind(each, each.argument) for each in markers if each.argument in {None, *self.positions}]
        return attrs.evolve(self, bound=(*self.bound, *added))

    def bind(self, marker: GateMarker, argument: str | None) -> _Bound:
        """Return the gate with the place of its argument in a call."""
        name = argument or ""
        return _Bound(marker, argument, self.positions.get(name, -1), self.defaults.get(name, _NOTHING))

    def of_call(self, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Gate, ...]:
        """Return the gates of one call; ``task`` is its registered name.

        It does not matter how an argument was passed: by position, by keyword or by its default.
        """
        named = [(each.marker, each.name(task, args, kwargs)) for each in self.bound]
        return tuple(marker.gate(name) for marker, name in named if name is not None)


def gates_of_task(
    function: str, declared: Iterable[Declared], *, positions: Mapping[str, int], defaults: Mapping[str, object]
) -> GatesOfTask:
    """Read the gates among what a function declares.

    ``positions`` are those of all parameters that take an argument of the caller, ``defaults`` what some have.

    Raises:
        ConfigurationError: a gate names an argument that the function does not have.
    """
    none = GatesOfTask((), positions, defaults)
    bound: list[_Bound] = []
    for each in declared:
        marker = each.marker
        if isinstance(marker, GateMarker):
            argument = marker.argument or (each.parameter if each.annotates else None)
            if argument is not None and argument not in positions:
                raise _no_such_argument(function, marker, argument, [*positions])
            bound.append(none.bind(marker, argument))
    return attrs.evolve(none, bound=tuple(bound))


def _no_such_argument(function: str, marker: GateMarker, argument: str, has: list[str]) -> ConfigurationError:
    near = difflib.get_close_matches(argument, has, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(has) or 'none'}"
    kind = type(marker).__name__
    return ConfigurationError(
        f"{function}() declares {kind} on its argument {shown(argument)}, but takes no such argument; {hint}"
    )


def _count(option: str, number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{option}={number!r} must be a whole number")
    if number < 1:
        raise ConfigurationError(f"{option}={number} lets nothing pass; use 1 or more")
    return number
