"""The ordered log of strikes and restores."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class StrikeLog(Protocol):
    """Totally ordered: everybody reads the same entries in the same order."""

    async def append(self, instruction: bytes) -> str:
        """Append one instruction and return its position."""
        ...

    async def since(self, position: str = "", *, limit: int = 200) -> Sequence[tuple[str, bytes]]:
        """Return up to ``limit`` entries after ``position`` ("" for the start), oldest first, each with its
        own position.
        """
        ...
