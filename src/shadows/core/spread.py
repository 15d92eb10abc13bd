"""How calls are spread over a while."""

from __future__ import annotations

from datetime import timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ZERO = timedelta(0)


def spread(count: int, over: timedelta, jitter: timedelta, dice: Callable[[], float]) -> list[timedelta]:
    """Return how long after the start each of ``count`` calls is due: evenly from 0 to ``over``, one alone in the
    middle.

    Each is moved by up to ``jitter`` either way, but never before the start.  ``dice`` gives numbers in [0, 1).
    """
    even = [over / 2] if count == 1 else [over * number / (count - 1) for number in range(count)]
    return [max(_ZERO, each + jitter * (2 * dice() - 1)) for each in even] if jitter else even
