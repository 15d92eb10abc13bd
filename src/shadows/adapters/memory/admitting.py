"""The verb ``admit``, one lease at a time."""

from __future__ import annotations

from shadows.adapters.memory import gates
from shadows.adapters.memory.moves import Ending, close, supersede
from shadows.adapters.memory.settling import held_run
from shadows.core.gates import REASONS, Gate, in_order
from shadows.core.lifecycle import ExecutionState
from shadows.ports.admission import Admission, Passage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.adapters.memory.store import Store
    from shadows.ports.backend import Terms
    from shadows.ports.broker import Lease


def admit(store: Store, terms: Terms, lease: Lease, asked: Sequence[Gate]) -> Admission:
    """Let the call pass its gates, if the lease still holds and nobody wants it gone."""
    run = held_run(store, lease)
    if run is None:
        return Admission(Passage.SUPERSEDED)
    if run.cancel_requested:
        close(store, terms, run, Ending(ExecutionState.CANCELLED, "cancelled"))
        return Admission(Passage.CANCELLED)
    if run.successor is not None:
        supersede(store, run)
        return Admission(Passage.SUPERSEDED)
    standing = run.standing
    if standing.mark == gates.ADMITTED:
        return Admission(Passage.ADMITTED)
    if standing.mark in REASONS:
        return Admission(Passage.DROPPED, standing.mark)
    standing.gates = in_order(asked)
    standing.arrival = standing.arrival or lease.fence
    return gates.ask(store, run)
