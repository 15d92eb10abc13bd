"""A broker with trouble on the way: the real one, whose trips break when a test says so."""

from __future__ import annotations

import inspect
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from shadows.adapters.memory import open_backend
from shadows.ports.backend import Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.ports.broker import Broker

_numbers = itertools.count(1)


class Trouble:
    """Passes everything on, and remembers what was asked."""

    def __init__(self, broker: Broker | None = None) -> None:
        self.broker = broker or open_backend(f"trouble-{next(_numbers)}", Terms()).broker
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        """verbs and their arguments"""
        self._faults: dict[str, list[tuple[Exception | Callable[[], object], bool]]] = defaultdict(list)

    def before(self, verb: str, *faults: Exception | Callable[[], object]) -> None:
        """Raise (or do) this instead of the next trips of this verb."""
        self._faults[verb] += [(fault, False) for fault in faults]

    def after(self, verb: str, *faults: Exception) -> None:
        """Raise this when the broker has answered the next trips of this verb."""
        self._faults[verb] += [(fault, True) for fault in faults]

    def count(self, verb: str) -> int:
        """Return how often the verb was asked."""
        return [name for name, _ in self.asked].count(verb)

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self.broker, verb)

        async def trip(*args: Any, **options: Any) -> Any:
            fault, after = self._begin(verb, args)
            answer = await method(*args, **options) if after or fault is None else None
            return self._end(fault, answer)

        def trip_in_thread(*args: Any, **options: Any) -> Any:
            fault, after = self._begin(verb, args)
            answer = method(*args, **options) if after or fault is None else None
            return self._end(fault, answer)

        return trip if inspect.iscoroutinefunction(method) else trip_in_thread

    def _begin(self, verb: str, args: tuple[Any, ...]) -> tuple[Exception | Callable[[], object] | None, bool]:
        self.asked.append((verb, args))
        return self._faults[verb].pop(0) if self._faults[verb] else (None, False)

    def _end(self, fault: Exception | Callable[[], object] | None, answer: Any) -> Any:
        if isinstance(fault, Exception):
            raise fault
        return answer if fault is None else fault()
