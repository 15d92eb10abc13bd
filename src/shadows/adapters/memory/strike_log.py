"""The strike log: a list; a position is how many entries lie up to it."""

from __future__ import annotations

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shadows.adapters.memory.store import Store


@attrs.frozen
class MemoryStrikeLog:
    """The strike log port; see :mod:`shadows.ports.strike_log`."""

    store: Store
    clock: Callable[[], float]

    async def append(self, instruction: bytes) -> str:
        """Append one instruction and return its position."""
        with self.store.step(self.clock):
            self.store.strikes.append(instruction)
            return _position(len(self.store.strikes))

    async def since(self, position: str = "", *, limit: int = 200) -> Sequence[tuple[str, bytes]]:
        """Return what follows the position."""
        start = int(position or "0")
        with self.store.step(self.clock):
            following = self.store.strikes[start : start + limit]
        return [(_position(number), entry) for number, entry in enumerate(following, start + 1)]


def _position(number: int) -> str:
    return f"{number:020}"
