"""The verbs of a lease's holder: ``settle``, ``report`` and ``renew``."""

from __future__ import annotations

from typing import assert_never

from shadows.adapters.memory.moves import Ending, bury, close, perpetuate, resolve, supersede, vacate
from shadows.adapters.memory.placing import announce, place
from shadows.adapters.memory.strikes import news
from shadows.core.lifecycle import ExecutionState
from shadows.core.verdict import Kind
from shadows.ports.broker import Settlement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shadows.adapters.memory.store import Run, Store
    from shadows.core.holder import Holder
    from shadows.core.verdict import Verdict
    from shadows.ports.backend import Terms
    from shadows.ports.broker import Lease

SHORTEST_DELAY, LONGEST_DELAY = 1_000, 60_000
"""ms that a call of an unknown task waits"""


def settle(store: Store, terms: Terms, lease: Lease, verdict: Verdict) -> Settlement:
    """Carry out one verdict, if the lease still holds."""
    run = held_run(store, lease)
    if run is None:
        return Settlement.SUPERSEDED
    match verdict.kind:
        case Kind.END:
            ending = Ending(verdict.state, verdict.reason, verdict.task, verdict.body, last=verdict.last)
            if verdict.follow is None or run.cancel_requested or run.successor is not None:
                close(store, terms, run, ending)
            else:
                perpetuate(store, terms, run, ending, verdict.follow)
            return Settlement.SETTLED
        case Kind.BURY:
            return _bury(store, terms, run, verdict, verdict.reason)
        case Kind.AGAIN | Kind.BACK | Kind.HOLD | Kind.UNKNOWN:
            return _go_on(store, terms, run, verdict)
        case _:
            assert_never(verdict.kind)


def report(store: Store, lease: Lease, progress: Mapping[str, str]) -> bool:
    """Merge the progress, if the lease still holds."""
    run = held_run(store, lease)
    if run is None:
        return False
    run.progress.update(progress)
    announce(store, run, "progress", lease.fence, *progress.items())
    return True


def renew(store: Store, holder: Holder, tokens: Sequence[str]) -> frozenset[str]:
    """Start these leases anew; return those that the holder has lost."""
    lost: set[str] = set()
    for token in tokens:
        hold = store.held.get(token)
        if hold is None or hold.holder.id != holder.id:
            lost.add(token)
        else:
            hold.renewed = store.now
    return frozenset(lost)


def held_run(store: Store, lease: Lease) -> Run | None:
    """Return the run of a lease that still holds."""
    hold = store.held.get(lease.token)
    return hold.run if hold is not None and hold.fence == lease.fence else None


def _bury(store: Store, terms: Terms, run: Run, verdict: Verdict, reason: str) -> Settlement:
    run.attempt, run.payload = verdict.attempt, verdict.body
    bury(store, terms, run, reason)
    return Settlement.BURIED


def _go_on(store: Store, terms: Terms, run: Run, verdict: Verdict) -> Settlement:
    """Place the call again, unless somebody cancelled it or took its key meanwhile."""
    if run.cancel_requested:
        close(store, terms, run, Ending(ExecutionState.CANCELLED, "cancelled"))
        return Settlement.CANCELLED
    if run.successor is not None:
        supersede(store, run)
        return Settlement.SETTLED
    if verdict.kind is Kind.UNKNOWN:
        return _put_back(store, terms, run, verdict)
    run.unknown_since = None
    if verdict.kind is Kind.HOLD:
        return _hold(store, run, verdict)
    if verdict.kind is Kind.AGAIN:
        run.lost = run.standing.arrival = 0
    _place_again(store, run, verdict, resolve(store, verdict.due))
    return Settlement.SETTLED


def _hold(store: Store, run: Run, verdict: Verdict) -> Settlement:
    """Keep it at its strike, unless the list has moved on since that was judged: then it is judged anew."""
    if news(store, verdict.strikes) is not None:
        _place_again(store, run, verdict, None)
        return Settlement.SETTLED
    fence = run.fence or 0
    vacate(store, run)
    run.attempt, run.payload = verdict.attempt, verdict.body
    run.state, run.fence, run.holder, run.started = ExecutionState.PARKED, None, None, None
    store.at_strikes[run.key] = fence, verdict.reason
    announce(store, run, run.state, fence)
    return Settlement.SETTLED


def _put_back(store: Store, terms: Terms, run: Run, verdict: Verdict) -> Settlement:
    """Wait for a worker that knows the task: as long again as so far, between a second and a minute."""
    since = store.now if run.unknown_since is None else run.unknown_since
    waited = store.now - since
    if waited >= terms.unknown_task_ttl:
        return _bury(store, terms, run, verdict, "unknown-task")
    delay = min(max(waited + SHORTEST_DELAY, SHORTEST_DELAY), LONGEST_DELAY)
    run.unknown_since = since
    _place_again(store, run, verdict, store.now + delay)
    store.unknown.add(run.key)
    return Settlement.SETTLED


def _place_again(store: Store, run: Run, verdict: Verdict, due: int | None) -> None:
    fence = run.fence
    vacate(store, run)
    run.attempt, run.payload = verdict.attempt, verdict.body
    place(store, run, due)
    announce(store, run, run.state, fence)
