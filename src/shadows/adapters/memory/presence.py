"""Who is here, as far as heartbeats tell."""

from __future__ import annotations

import attrs

from shadows.ports.presence import Attendance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shadows.adapters.memory.store import Store
    from shadows.core.holder import Holder


def heartbeat(store: Store, holder: Holder, horizon: int) -> bool:
    """Note that the holder is here; return False if it was forgotten, and its tasks with it."""
    _forget_silent(store, horizon)
    store.ear.hear(store.now)
    seen = store.attendance.get(holder.id)
    if seen is None:
        return False
    store.attendance[holder.id] = attrs.evolve(seen, last_seen=store.now)
    return True


def linger(store: Store, holder: Holder) -> None:
    """Count the holder as here until it stops lingering."""
    store.lingering.add(holder.id)


def stop_lingering(store: Store, holder: Holder) -> None:
    """Let heartbeats tell again whether the holder is here."""
    _see_who_lingers(store)
    store.lingering.discard(holder.id)


def _see_who_lingers(store: Store) -> None:
    if store.lingering:
        store.ear.last = store.now  # they listened all the time
    for seen in [store.attendance[holder] for holder in store.lingering if holder in store.attendance]:
        store.attendance[seen.holder] = attrs.evolve(seen, last_seen=store.now)


def _forget_silent(store: Store, horizon: int) -> None:
    _see_who_lingers(store)
    for silent in [one for one in store.attendance.values() if store.now - one.last_seen > horizon]:
        del store.attendance[silent.holder]


@attrs.frozen
class MemoryPresence:
    """The presence port; see :mod:`shadows.ports.presence`."""

    store: Store
    clock: Callable[[], float]

    async def check_in(self, holder: Holder, tasks: Collection[str], *, horizon: int) -> None:
        """Enter the holder and the tasks that it knows."""
        with self.store.step(self.clock):
            _forget_silent(self.store, horizon)
            self.store.attendance[holder.id] = Attendance(holder.id, self.store.now, frozenset(tasks))

    async def check_out(self, holder: Holder) -> None:
        """Remove the holder; leases that are out keep it as their owner."""
        with self.store.step(self.clock):
            self.store.attendance.pop(holder.id, None)
            self.store.bells.unheard.discard(holder.id)
            self.store.hopeful.discard(holder.id)
            self.store.recovered.pop(holder.id, None)

    async def roster(self, *, horizon: int) -> list[Attendance]:
        """Return those that were seen within ``horizon`` ms, by id."""
        with self.store.step(self.clock):
            _see_who_lingers(self.store)
            present = [one for one in self.store.attendance.values() if self.store.now - one.last_seen <= horizon]
            return sorted(present, key=lambda one: one.holder)
