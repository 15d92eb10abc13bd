"""The verb ``claim``: promote, recover, sweep, read; then tell the holder what else it should know."""

from __future__ import annotations

import attrs

from shadows.adapters.memory import gates
from shadows.adapters.memory.moves import Ending, bury, close
from shadows.adapters.memory.placing import announce, enqueue
from shadows.adapters.memory.presence import heartbeat
from shadows.adapters.memory.store import Hold
from shadows.adapters.memory.strikes import news, release
from shadows.core.gates import REASONS
from shadows.core.lifecycle import ExecutionState
from shadows.ports.admission import Passage
from shadows.ports.broker import Claim, Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.adapters.memory.store import Run, Store
    from shadows.ports.backend import Terms
    from shadows.ports.broker import Order

PROMOTE = 50
"""The most calls that one claim promotes."""
SWEEP = 100
"""The most leases that one claim looks at."""
FROM_THE_START = "-"


@attrs.define
class _Round:
    """One claim under way."""

    store: Store
    terms: Terms
    order: Order
    leases: list[Lease] = attrs.field(factory=list[Lease])

    @property
    def full(self) -> bool:
        return len(self.leases) >= self.order.limit


def claim(store: Store, terms: Terms, order: Order) -> Claim:
    """Carry out one order."""
    order = _in_time(store, order)
    turn = _Round(store, terms, order)
    moved = news(store, order.strikes)
    enrolled = heartbeat(store, order.holder, order.horizon) if order.sweep else True
    _promote(store)
    chores = gates.do_chores(store)
    releases = release(store)
    left_behind = _recover(turn)
    cursor, stopped = _sweep(turn)
    more = _read(turn)
    return Claim(
        leases=tuple(turn.leases),
        due_in=store.due_in(),
        sweep=cursor,
        more=order.limit > 0 and (chores or releases or left_behind or stopped or more),
        left=_left(store, order),
        cancels=_cancels(store, order),
        enrolled=enrolled,
        strikes=moved,
        now=int(store.now),
    )


def _in_time(store: Store, order: Order) -> Order:
    """Return what is to be done of an order, which may come after a later one: then nobody hears the answer."""
    if order.known is None:
        return order
    if order.recovery < store.recovered.get(order.holder.id, 0):
        return attrs.evolve(order, limit=0, known=None, hear=False)
    store.recovered[order.holder.id] = order.recovery
    return order


def has_news(store: Store, order: Order) -> bool:
    """Tell whether a claim need not wait: calls may be ready, or this holder has a message."""
    undone = store.doors.chores or store.strikes.releases
    if order.limit > 0 and (store.ready or undone or (store.queue and store.queue[0][0] <= store.now)):
        return True
    return order.hear and any(store.held[token].holder.id == order.holder.id for token in store.untold)


def may_linger(store: Store, order: Order) -> bool:
    """Tell whether the claim may sleep until :func:`next_look`: without a sweep it would leave alone what expires."""
    return order.sweep != "" or all(hold.holder.id == order.holder.id for hold in store.held.values())


def next_look(store: Store, order: Order) -> float | None:
    """Return the seconds after which this holder must look, if nothing happens before; None is for ever.

    Under a virtual clock nobody looks by himself, so whatever a claim finds that rang no bell belongs here.
    """
    if has_news(store, order) or (store.left == 0 and order.holder.id in store.hopeful):
        return 0
    if order.limit < 1:
        return None
    others = (hold for hold in store.held.values() if hold.holder.id != order.holder.id)
    expired = min((store.ear.free_from(hold.holder.lease, hold.renewed) for hold in others), default=None)
    moments = [*(when for when, _ in store.queue[:1]), *([] if expired is None else [expired])]
    return max(0, min(moments) * 1000 - store.now_us) / 1_000_000 if moments else None


def _left(store: Store, order: Order) -> int | None:
    """Tell what is left to do, and remember whether this holder knows that it is nothing."""
    if not order.count:
        return None
    if store.left:
        store.hopeful.add(order.holder.id)
    else:
        store.hopeful.discard(order.holder.id)
    return store.left


def _promote(store: Store) -> None:
    due = [key for when, key in store.queue[:PROMOTE] if when <= store.now]
    del store.queue[: len(due)]
    for key in due:
        run = store.runs[key.decode()]
        enqueue(store, run)
        announce(store, run, run.state, None)


def _recover(turn: _Round) -> bool:
    """Lease anew what a lost reply kept from the holder, counting no delivery; tell whether some is left."""
    if turn.order.known is None:
        return False
    known = frozenset(turn.order.known)
    for token, hold in sorted(turn.store.held.items()):
        if hold.holder.id != turn.order.holder.id or token in known:
            continue
        if turn.full:
            return True
        _take(turn, hold.run)
    return False


def _sweep(turn: _Round) -> tuple[str, bool]:
    """Redeliver what expired, a bounded step; return where to go on, and whether the limit stopped it."""
    store, start = turn.store, turn.order.sweep
    if not start:
        return "", False
    after = "" if start == FROM_THE_START else start
    rows = sorted((token, hold) for token, hold in store.held.items() if token > after)[:SWEEP]
    for token, hold in rows:
        free = store.now >= store.ear.free_from(hold.holder.lease, hold.renewed)
        if free and hold.holder.id != turn.order.holder.id:
            if turn.full:
                return after or FROM_THE_START, True
            hold.run.lost += 1
            _take(turn, hold.run)
        after = token
    return (FROM_THE_START if len(rows) < SWEEP else after), False


def _read(turn: _Round) -> bool:
    """Take ready calls, oldest first; tell whether there were as many as wanted."""
    wanted = turn.order.limit - len(turn.leases)
    oldest = [run for run, _ in zip(turn.store.ready.values(), range(wanted), strict=False)]
    for run in oldest:
        _take(turn, run)
    return 0 < wanted == len(oldest)


def _take(turn: _Round, run: Run) -> None:
    """Lease this call, unless it is one that must not start (again)."""
    if run.cancel_requested:
        close(turn.store, turn.terms, run, Ending(ExecutionState.CANCELLED, "cancelled"))
    elif run.lost >= turn.order.max_deliveries:
        bury(turn.store, turn.terms, run, "worker-lost")
    elif _passes(turn.store, run):
        turn.leases.append(_lease(turn.store, turn.order, run))


def _passes(store: Store, run: Run) -> bool:
    """Ask the gates again if it waited for its moment; one that was dropped is leased too, to be settled."""
    if run.standing.mark not in {gates.RESERVED, gates.SETTLING}:
        return True
    return gates.ask(store, run).passage in {Passage.ADMITTED, Passage.DROPPED}


def _lease(store: Store, order: Order, run: Run) -> Lease:
    store.ready.pop(run.token, None)
    store.unknown.discard(run.key)
    fence = store.next_fence()
    run.state, run.fence, run.holder, run.started = ExecutionState.RUNNING, fence, order.holder.id, store.now
    store.held[run.token] = Hold(run, order.holder, fence, store.now)
    announce(store, run, run.state, fence)
    return Lease(
        key=run.key,
        token=run.token,
        fence=fence,
        attempt=run.attempt,
        payload=run.payload,
        deliveries=run.lost + 1,
        due=run.due,
        started=store.now,
        admitted=run.standing.mark == gates.ADMITTED,
        dropped=run.standing.mark if run.standing.mark in REASONS else "",
    )


def _cancels(store: Store, order: Order) -> tuple[tuple[str, int], ...]:
    """Tell the holder once which of its calls to cancel; after a broken trip again those that it knows."""
    asked = dict.fromkeys(store.untold) if order.hear else {}
    for token in order.known or ():
        if token in store.held and store.held[token].run.cancel_requested:
            asked[token] = None
    mine = [token for token in asked if store.held[token].holder.id == order.holder.id]
    for token in mine:
        store.untold.pop(token, None)
    return tuple((store.held[token].run.key, store.held[token].fence) for token in mine)
