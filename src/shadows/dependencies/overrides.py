"""Other functions in the place of dependencies, for as long as a test wants it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@attrs.define(eq=False)
class Overrides:
    """Which functions stand for which."""

    version: int = 0
    """another one after each change"""
    _instead: dict[Callable[..., Any], Callable[..., Any]] = attrs.field(
        factory=dict["Callable[..., Any]", "Callable[..., Any]"]
    )

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what stands for this function now."""
        if not self._instead:
            return function
        try:
            return self._instead.get(function, function)
        except TypeError:  # a callable object without a hash
            return function

    @contextmanager
    def override(self, function: Callable[..., Any], instead: Callable[..., Any]) -> Generator[None]:
        """Let another function stand for this one."""
        for each in (function, instead):
            if not callable(each):
                raise TypeError(f"override({each!r}): both must be functions; write lambda: {each!r} for a value")
        before = self._instead
        self._change({**before, function: instead})
        try:
            yield
        finally:
            self._change(before)

    def _change(self, instead: dict[Callable[..., Any], Callable[..., Any]]) -> None:
        self._instead = instead
        self.version += 1
