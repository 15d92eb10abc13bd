"""Ballast: memory put aside, to be thrown off when a body has used up the rest."""

from __future__ import annotations

import attrs

ROOM = 8 << 20
"""bytes that a worker needs to go on, and as many to end well"""


@attrs.define
class Ballast:
    """Enough memory to hand back what runs, for as long as it is not needed.

    It costs address space only: nobody writes to it.
    """

    _aside: bytearray = attrs.field(factory=lambda: bytearray(ROOM), init=False, repr=False)

    @property
    def is_gone(self) -> bool:
        """Whether it was thrown off."""
        return not self._aside

    def suffices(self) -> bool:
        """Return whether there is memory to go on with; if not, what was put aside is free from now on."""
        try:
            bytearray(ROOM)
        except MemoryError:
            self._aside = bytearray()
            return False
        return True
