"""Where a client may be used: inside of its context, in its process and its event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from shadows import BrokerUnavailable, ConfigurationError, Execution, Retry, Shadow, Worker
from tests.front.acts import DEADLINE, comes_true, state_of, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.front.places import Place


async def say(word: str) -> str:
    return word


USES: list[Callable[[Shadow], Any]] = [
    lambda shadows: shadows.add(say)("word"),
    lambda shadows: shadows.replace(say, None, "k")("word"),
    lambda shadows: shadows.add_many([]),
    lambda shadows: shadows.replace_many([]),
    lambda shadows: shadows.cancel("k"),
    lambda shadows: shadows.clear(),
    lambda shadows: shadows.get_execution("k"),
    lambda shadows: shadows.snapshot(),
    lambda shadows: shadows.workers(),
    lambda shadows: shadows.task_workers("say"),
    lambda shadows: Worker(shadows).__aenter__(),
]


@pytest.mark.parametrize("use", USES)
async def test_a_client_is_used_inside_of_its_context(use: Callable[[Shadow], Any]) -> None:
    """FAULT 21: before it, and after it, each verb says so."""
    shadows = Shadow("contexts", "memory://contexts")
    with pytest.raises(RuntimeError, match="is not open; use it inside of: async with"):
        await use(shadows)
    async with shadows:
        pass
    with pytest.raises(RuntimeError, match="is not open"):
        await use(shadows)


async def test_a_client_is_entered_once_at_a_time(place: Place) -> None:
    """FAULT 21: one Shadow for each context; it can be entered again after it was left, and left twice."""
    shadows = place.shadow()
    async with shadows:
        with pytest.raises(RuntimeError, match="entered already"):
            await shadows.__aenter__()
        await shadows.add(say, key="k")("word")
    async with shadows:
        assert await state_of(shadows, "k") == "queued"
        await shadows.clear()
    await shadows.__aexit__(None, None, None)


async def test_a_client_belongs_to_its_loop(shadows: Shadow) -> None:
    """FAULT 21: another loop, in another thread, is told to open one of its own."""
    heard: list[BaseException] = []

    async def elsewhere() -> None:
        await shadows.add(say)("word")

    def run() -> None:
        try:
            asyncio.run(elsewhere())
        except RuntimeError as refused:
            heard.append(refused)

    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert "another event loop" in str(heard[0])
    assert (await shadows.snapshot()).total_tasks == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
async def test_a_forked_child_is_told_to_open_its_own(place: Place) -> None:
    """FAULT 21: what was opened before the fork is refused after it; a client of its own works there."""
    read, write = os.pipe()
    async with place.shadow() as shadows:
        assert await shadows.clear() == 0  # it is connected
        child = os.fork()
        if child == 0:
            os.close(read)
            os.write(write, _in_child(shadows, place))
            os._exit(0)
        os.close(write)
        told = await asyncio.to_thread(_read_all, read)
        await asyncio.to_thread(os.waitpid, child, 0)
        refused, _, answer = told.partition("\n")
        assert f"was opened by the process {os.getpid()}" in refused
        expected = "0" if place.kind == "memory" else "1"  # memory://name lives in one process
        assert answer == expected
        assert (await shadows.snapshot()).total_tasks == (0 if place.kind == "memory" else 1)
        await shadows.clear()


def _in_child(shadows: Shadow, place: Place) -> bytes:
    """Use the parent's client, then one of our own, in a loop of our own; return what came of it."""
    told: list[str] = []

    async def use() -> None:
        try:
            await shadows.clear()
        except RuntimeError as refused:
            told.append(str(refused))

    async def own() -> None:
        async with place.shadow() as mine:
            await mine.add(say, key="from the child")("word")
            told.append("0" if place.kind == "memory" else str((await mine.snapshot()).total_tasks))

    try:
        for work in (use, own):
            loop = asyncio.new_event_loop()
            asyncio.events._set_running_loop(None)
            loop.run_until_complete(work())
            loop.close()
    except BaseException as broken:  # noqa: BLE001 - the parent shows it
        told.append(repr(broken))
    return "\n".join(told).encode()


def _read_all(pipe: int) -> str:
    with os.fdopen(pipe) as file:
        return file.read()


async def test_a_worker_that_is_left_while_it_runs_is_drained(shadows: Shadow) -> None:
    """INV 36: whoever forgets to stop it leaves no ghost behind that goes on claiming."""
    began = asyncio.Event()

    async def work() -> str:
        began.set()
        return "done"

    async with Worker(shadows) as worker:
        run = asyncio.create_task(worker.run_forever())
        execution = await shadows.add(work)()
        await asyncio.wait_for(began.wait(), DEADLINE)
    await run
    assert await execution.get_result(timeout=DEADLINE) == "done"
    assert await shadows.workers() == []
    await shadows.add(work, key="k")()
    assert await state_of(shadows, "k") == "queued"
    await shadows.clear()


async def test_the_client_of_the_server_is_the_user_s_own(place: Place) -> None:
    """SEMANTICS: ``redis()`` gives redis-py's client of the same server; memory has none, and says so."""
    async with place.shadow() as shadows:
        if place.kind == "memory":
            with pytest.raises(ConfigurationError, match="no server"):
                shadows.redis()
            return
        client = shadows.redis()
        assert await client.ping()
        await client.aclose()
        assert await shadows.clear() == 0


async def test_what_a_client_is_called_shows_no_password() -> None:
    """Its repr names the shadow and the place."""
    shadows = Shadow("contexts", "redis://user:hush@localhost:1/2")
    assert repr(shadows) == "Shadow(name='contexts', url='redis://user:***@localhost:1/2')"
    assert (shadows.name, shadows.url) == ("contexts", "redis://user:hush@localhost:1/2")
    assert "hush" not in repr(Worker(shadows))


async def test_one_client_waits_while_another_works(place: Place) -> None:
    """A service and its workers share nothing but the name and the place."""
    async with place.shadow() as service, place.shadow() as house:
        execution: Execution[str] = await service.add(say)("word")
        waiting = asyncio.create_task(execution.get_result(timeout=DEADLINE))
        house.register(say)
        async with working(house, name="w"):
            assert await waiting == "word"
            await comes_true(lambda: _knows(service, "say"))
        assert execution.worker == "w"


async def _knows(shadows: Shadow, task: str) -> bool:
    return [worker.name for worker in await shadows.task_workers(task)] == ["w"]


async def test_a_worker_that_cannot_do_without_something_says_so(shadows: Shadow) -> None:
    """INV 33: every loop is supervised: a bug in the one that checks in ends the worker, and is raised."""

    async def check_in(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    async with Worker(shadows) as worker:
        assert worker._entered is not None
        broken: Any = _With(worker._entered.backend, check_in)
        worker._entered.backend = broken
        with pytest.raises(ValueError, match="a bug"):
            await asyncio.wait_for(worker.run_forever(), DEADLINE)


class _With:
    """A backend whose presence has a bug."""

    def __init__(self, backend: Any, check_in: Any) -> None:
        self.backend, self.check_in = backend, check_in

    @property
    def presence(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    async def check_out(self, holder: Any) -> None:
        await self.backend.presence.check_out(holder)

    async def __aexit__(self, *error: object) -> None:
        await self.backend.__aexit__(*error)


async def test_a_worker_that_could_not_be_entered_leaves_nothing_behind(
    shadows: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV 36: nobody listens to what is registered any more, and it can be entered later."""
    worker = Worker(shadows, dependencies=[Retry(attempts=2)])

    async def away(_: object) -> None:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(type(shadows.backend()), "__aenter__", away)
        with pytest.raises(BrokerUnavailable):
            await worker.__aenter__()
    assert shadows.calls.registry.watchers == []
    async with worker:
        assert len(shadows.calls.registry.watchers) == 1
