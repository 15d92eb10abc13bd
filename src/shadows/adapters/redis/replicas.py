"""Replicas: a change counts as done when so many of them have it, so that it outlives the server that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.adapters.redis.driver import first_error
from shadows.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.adapters.redis.driver import Command
    from shadows.adapters.redis.keys import Keys

LASTING: Final = frozenset({"schedule", "seed", "replay", "append", "cancel", "clear", "settle", "turn"})
"""The verbs that somebody relies on afterwards.  A lease that is lost costs no more than another one."""
PATIENCE: Final = 1_000
"""Milliseconds for replicas to say that they have it: less than a trip may take, so that the server is heard."""
_KEPT: Final = 60_000


@attrs.frozen
class Replicas:
    """How many must have what a trip wrote; none: nobody is asked."""

    count: int
    keys: Keys

    def behind(self, verb: str) -> tuple[Command, ...]:
        """Return what travels behind this verb.

        WAIT waits for what its own connection wrote last, and newer servers count only what did change something.  A
        repeated request changes nothing, nor does one whose call somebody else has just placed, and yet both must
        not be answered before the replicas have that.  So something is written each time; what was written before
        it, by whomever, has arrived when it has.
        """
        if not self.count or verb not in LASTING:
            return ()
        return ("SET", self.keys.replicated, 1, "PX", _KEPT), ("WAIT", self.count, PATIENCE)

    def check(self, answers: Sequence[Any]) -> None:
        """Hear what became of that.

        Raises:
            BrokerUnavailable: too few have it; whether it lasts is unknown.
        """
        first_error([*answers])
        if answers and answers[-1] < self.count:
            msg = f"{answers[-1]} of {self.count} replicas had it within {PATIENCE / 1000:g} s (wait_replicas)"
            raise BrokerUnavailable(msg)
