"""What completing the arguments of a run comes to: steps in the order in which they are taken."""

from __future__ import annotations

import enum
from typing import Any

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.dependencies.dependency import Dependency
    from shadows.dependencies.opened import Shape


class Kind(enum.Enum):
    """How a step makes its value."""

    GIVE = enum.auto()
    """``make(running)``"""
    ENTER = enum.auto()
    """``make(running)`` gives a Dependency, which is bound to its parameter, and entered"""
    CALL = enum.auto()
    """``make(**slots)``; a context manager is entered, an awaitable awaited"""
    AWAIT = enum.auto()
    """``await make(**slots)``"""
    SHARE = enum.auto()
    """what the worker keeps for all its runs"""


@attrs.frozen(eq=False)
class Step:
    """One value.  Values lie in numbered slots; a step reads those of earlier ones."""

    kind: Kind
    label: str
    """what makes it, for messages"""
    slot: int
    make: Callable[..., Any]
    slots: tuple[tuple[str, int], ...] = ()
    """the parameters of ``make``, and where their values lie"""
    bound: tuple[str, int] | None = None
    """the parameter that it annotates, and where its value lies"""
    shape: Shape | None = None
    """what a call gives, if that is known"""
    shared: Arrangement | None = None
    """how the worker makes what it shares"""
    decides: bool = False
    """whether it may be one of those who run the body, or decide what follows"""
    threaded: bool = False
    """whether, for a ``def`` task, it may be taken in the thread of the body"""

    @property
    def needs(self) -> tuple[int, ...]:
        """The slots that it reads."""
        slots = tuple(slot for _, slot in self.slots)
        return slots if self.bound is None else (*slots, self.bound[1])


@attrs.frozen(eq=False)
class Arrangement:
    """All steps of a run, in order."""

    deciders: tuple[Step, ...]
    """taken first: those who decide what follows, and what they need"""
    others: tuple[Step, ...]
    threaded: tuple[Step, ...]
    """taken last, in the thread of the body"""
    size: int
    """how many slots there are"""
    fills: tuple[tuple[str, int], ...]
    """parameters, and where their values lie"""
    refills: tuple[tuple[str, int], ...] = ()
    """parameters for which the caller supplied a dependency, and where the run's own copy of it lies"""
    lifecycles: tuple[type[Dependency], ...] = ()
    """classes that live as long as the worker"""
    result: int = 0
    """of what is shared: where its value lies"""


def ordered(
    steps: list[Step], size: int, fills: tuple[tuple[str, int], ...], *, in_thread: bool = False, **more: Any
) -> Arrangement:
    """Put steps, each of which comes after those that it needs, into the order of an arrangement."""
    deciding = _with_needs(steps, lambda step: step.decides)
    on_loop = deciding | _with_needs(steps, lambda step: not (in_thread and step.threaded))
    return Arrangement(
        tuple(step for step in steps if step.slot in deciding),
        tuple(step for step in steps if step.slot in on_loop and step.slot not in deciding),
        tuple(step for step in steps if step.slot not in on_loop),
        size,
        fills,
        **more,
    )


def _with_needs(steps: list[Step], wanted: Callable[[Step], bool]) -> set[int]:
    """Return the slots of these steps, and of what they need."""
    found: set[int] = set()
    for step in reversed(steps):
        if wanted(step) or step.slot in found:
            found.update((step.slot, *step.needs))
    return found
