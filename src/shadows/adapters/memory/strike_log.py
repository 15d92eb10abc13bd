"""The strike log: what is in force, what was restored of late, and what a reader does not know yet."""

from __future__ import annotations

import attrs

from shadows.adapters.memory.strikes import expire, news, seen, write
from shadows.core.scheduling import Due
from shadows.errors import ConfigurationError
from shadows.ports.strike_log import MOST, TOO_MANY, Instruction, News, Noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.adapters.memory.store import Store
    from shadows.adapters.memory.struck import Strikes


@attrs.frozen
class MemoryStrikeLog:
    """The strike log port; see :mod:`shadows.ports.strike_log`."""

    store: Store
    clock: Callable[[], float]

    async def append(self, instruction: Instruction, *, position: str = "", pace: int = 0) -> Noted:
        """Write one instruction, unless it restores what is not in force."""
        with self.store.step(self.clock):
            expire(self.store)
            strikes = self.store.strikes
            known = strikes.entries.get(instruction.name)
            found = known is not None and bool(known[1].strike)
            if instruction.strike and not found and _in_force(strikes) >= MOST:
                raise ConfigurationError(TOO_MANY)
            if instruction.strike or found:
                write(self.store, attrs.evolve(instruction, until=_resolved(self.store, instruction.until)), pace)
            return Noted(found, news(self.store, position))

    async def since(self, position: str = "") -> News | None:
        """Return what follows the position."""
        with self.store.step(self.clock):
            return seen(self.store, position)


def _in_force(strikes: Strikes) -> int:
    return sum(1 for _, one in strikes.entries.values() if one.strike)


def _resolved(store: Store, until: Due | None) -> Due | None:
    if until is None or until.after is None:
        return until
    return Due(at=store.now + until.after)
