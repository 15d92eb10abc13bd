"""Whether what a claim brings is still ours when we read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from shadows.ports.broker import Claim

FRESH: Final = 0.5
"""The part of a lease in which the answer to a claim is to come."""


@attrs.define
class Lateness:
    """Doubts leases that came late.

    The answer lay there while this process was frozen, or while a body blocked the event loop, and nobody renewed what
    it brought, for nobody knew of it: another worker may run that by now.  What is handed back and can be claimed anew
    is surely ours; what cannot is another one's.
    """

    lease: float
    """seconds"""
    _doubting: bool = attrs.field(default=False, init=False)

    def doubts(self, claim: Claim, late: float) -> bool:
        """Judge the leases of a claim that came so many seconds late; of two in a row the second is believed, so that
        a way on which all answers are slow does not keep a worker from working.
        """
        self._doubting = bool(claim.leases) and late > self.lease * FRESH and not self._doubting
        return self._doubting
