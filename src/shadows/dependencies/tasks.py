"""The tasks of one worker: those of its shadow, with what the worker adds to each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import attrs

from shadows.core.names import shown
from shadows.dependencies.arrange import check_singles
from shadows.dependencies.collection import collection
from shadows.dependencies.marker import Marker
from shadows.dependencies.plan import Plan, plan
from shadows.dependencies.registry import Registry
from shadows.dependencies.signature import Declared
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shadows.dependencies.dependency import Dependency


def everywhere(dependencies: Mapping[str, Any] | Iterable[Any] | None) -> tuple[Declared, ...]:
    """Return what a worker adds to each of its tasks.

    Raises:
        ConfigurationError: something else than dependencies, or two of a kind of which a task can have only one.
    """
    if dependencies is None:
        return ()
    if isinstance(dependencies, Marker | str):
        raise ConfigurationError(f"dependencies={dependencies!r} must be a list or a mapping of dependencies")
    named: dict[str, Any] = (
        {**cast("Mapping[str, Any]", dependencies)}
        if isinstance(dependencies, Mapping)
        else {f"dependencies[{position}]": each for position, each in enumerate(dependencies)}
    )
    found = tuple(Declared(name, _marker(name, each)) for name, each in named.items())
    check_singles("Worker", found)
    return found


def _marker(name: str, value: object) -> Marker:
    if isinstance(value, Marker):
        return value
    msg = f"the worker's dependency {shown(name)} is a {type(value).__name__}; give Depends(...), or a Dependency"
    raise ConfigurationError(msg)


def fallback(registry: Registry, function: Callable[..., Any] | str | None) -> Plan | None:
    """Return the plan of the function that gets the calls of unknown tasks.

    Raises:
        ConfigurationError: the path leads to no function, or its dependencies contradict each other.
    """
    if function is None:
        return None
    if isinstance(function, str):
        found = collection(function, option="fallback_task")
        if len(found) != 1:
            module, _, _ = function.partition(":")
            why = f"fallback_task={shown(function)} names {len(found)} functions; name one"
            one = f"{module}:{getattr(found[0], '__name__', 'NAME')}" if found else ""
            raise ConfigurationError(why, source="fallback_task", value=function, instead=one)
        function = found[0]
    return plan(function, registry.overrides)


@attrs.define(eq=False)
class Tasks:
    """Plans by name, as this worker runs them; it follows the registry while the worker is entered."""

    registry: Registry
    everywhere: tuple[Declared, ...]
    fallback: Plan | None
    _plans: dict[str, Plan] = attrs.field(factory=dict[str, Plan], init=False)

    def enter(self) -> None:
        """Begin.

        Raises:
            ConfigurationError: a task declares something of which there can be only one, and the worker too.
        """
        if self.everywhere:
            for name, made in self.registry.plans.items():
                self._add(name, made)
            self.registry.watchers.append(self._add)
            if self.fallback is not None:
                self.fallback = self.fallback.with_everywhere(self.everywhere)

    def leave(self) -> None:
        """End."""
        if self.everywhere:
            self.registry.watchers.remove(self._add)

    @property
    def plans(self) -> Mapping[str, Plan]:
        """The plans by name."""
        return self._plans if self.everywhere else self.registry.plans

    def lifecycles(self) -> list[type[Dependency]]:
        """Return the classes that live as long as the worker."""
        plans = [*self.plans.values(), *([] if self.fallback is None else [self.fallback])]
        return [*dict.fromkeys(kind for each in plans for kind in each.arrangement((), {}).lifecycles)]

    def _add(self, name: str, made: Plan) -> None:
        self._plans[name] = made.with_everywhere(self.everywhere)
