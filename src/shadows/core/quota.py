"""How often a key, or a task, may run: what ``run_at_most`` is told."""

from __future__ import annotations

from collections import Counter
from typing import Self

import attrs

from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen
class Quota:
    """Counts what runs, by its key if that is named, else by its task; what is named in neither way runs freely."""

    most: Mapping[str, int]
    _ran: Counter[str] = attrs.field(factory=Counter[str], init=False)

    @classmethod
    def of(cls, most: Mapping[str, int]) -> Self:
        """Return one that has counted nothing yet.

        Raises:
            ConfigurationError: a number is none.
        """
        for name, count in most.items():
            if type(count) is not int or count < 0:
                msg = f"run_at_most: the count of {name!r} is {count!r}; give a whole number from 0"
                raise ConfigurationError(msg)
        return cls(dict(most))

    def admits(self, key: str, task: str) -> bool:
        """Count one, and tell whether it may run."""
        counted = key if key in self.most else task
        if counted not in self.most:
            return True
        self._ran[counted] += 1
        return self._ran[counted] <= self.most[counted]
