from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import (
    BrokerUnavailable,
    ConfigurationError,
    ExecutionCancelled,
    ExecutionState,
    ResultUnavailable,
    Shadow,
    TaskFailed,
)
from shadows.engine import watch
from tests.front.acts import HOUR, comes_true, finish, state_of, working

if TYPE_CHECKING:
    from tests.front.places import Place
    from tests.front.proxy import Proxy


class Refused(Exception):
    """An exception of the user's own, with more to it than a message."""

    def __init__(self, why: str, code: int) -> None:
        super().__init__(why)
        self.why, self.code = why, code

    def __reduce__(self) -> tuple[type[Refused], tuple[str, int]]:
        return type(self), (self.why, self.code)


class Unreadable:
    """It can be written, but not be read again."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return int, ("no number",)


@pytest.mark.parametrize("value", [None, 0, "", b"\0", [1, {"a": (2,)}], datetime(2024, 2, 29, tzinfo=UTC), ((), {})])
async def test_a_result_comes_back_as_it_was(shadows: Shadow, value: object) -> None:
    """Nothing, falsy things and nested things are results like any other."""

    async def give() -> object:
        return value

    execution = await shadows.add(give)()
    await finish(shadows)
    assert await execution.get_result() == value
    assert await execution.get_result(timeout=timedelta(seconds=5)) == value  # as often as one likes


@pytest.mark.pickles
async def test_an_exception_is_raised_again_with_the_traceback_of_its_worker(shadows: Shadow) -> None:
    """PARITY: the original exception; its cause is the text of where it was raised."""

    async def refuse(name: str) -> None:
        raise Refused(f"no {name}", 42)

    execution = await shadows.add(refuse, key="r")("entry")
    await finish(shadows)
    with pytest.raises(Refused, match="no entry") as refused:
        await execution.get_result()
    assert refused.value.code == 42
    assert "in refuse" in "".join(traceback.format_exception(refused.value))
    assert (execution.state, execution.error) == (ExecutionState.FAILED, "Refused: no entry")
    found = await shadows.get_execution("r")
    assert found is not None
    assert (found.error, found.args) == ("Refused: no entry", ("entry",))  # kept for a replay


async def test_a_result_is_waited_for_until_the_timeout(shadows: Shadow) -> None:
    """PARITY: ``TimeoutError``, in seconds or as a timedelta; the run goes its own way."""

    async def wait() -> None: ...

    execution = await shadows.add(wait, when=HOUR, key="k")()
    for timeout in (0.01, timedelta(milliseconds=10)):
        with pytest.raises(TimeoutError, match="'k' has not ended"):
            await execution.get_result(timeout=timeout)
    for deadline in (datetime.now(UTC) + timedelta(milliseconds=10), datetime.now(UTC) - HOUR):
        with pytest.raises(TimeoutError, match="'k' has not ended"):
            await execution.get_result(deadline=deadline)
    assert await state_of(shadows, "k") == "scheduled"
    await shadows.cancel("k")


async def test_a_timeout_and_a_deadline_contradict_each_other(shadows: Shadow) -> None:
    """PARITY: both is a ValueError, and so is a deadline without its zone."""

    async def wait() -> None: ...

    execution = await shadows.add(wait, when=HOUR, key="k")()
    with pytest.raises(ValueError, match="not both"):
        await execution.get_result(timeout=1, deadline=datetime.now(UTC))
    with pytest.raises(ConfigurationError, match="naive"):
        await execution.get_result(deadline=datetime(2030, 1, 1))  # noqa: DTZ001 - what it is about
    await shadows.cancel("k")


async def test_a_task_that_times_out_by_itself_is_no_timeout_of_the_waiter(shadows: Shadow) -> None:
    """Its TimeoutError is its result, with its own words."""

    async def give_up() -> None:
        msg = "the other side is asleep"
        raise TimeoutError(msg)

    execution = await shadows.add(give_up)()
    await finish(shadows)
    with pytest.raises(TimeoutError, match="the other side is asleep"):
        await execution.get_result(timeout=10)


async def test_all_waiters_of_one_run_wake(shadows: Shadow, place: Place) -> None:
    """INV 39: those that came before the end, those that come after it, and those of another client."""
    go = asyncio.Event()

    async def wait() -> str:
        await go.wait()
        return "done"

    execution = await shadows.add(wait, key="k")()
    async with place.shadow() as other, working(shadows, within=timedelta(seconds=5)):
        found = await other.get_execution("k")
        assert found is not None
        waiters = [asyncio.create_task(each.get_result(timeout=10)) for each in (execution, execution, found)]
        await comes_true(lambda: _is(shadows, "k", "running"))
        go.set()
        assert await asyncio.gather(*waiters) == ["done"] * 3
        assert await found.get_result(timeout=10) == "done"


async def _is(shadows: Shadow, key: str, state: str) -> bool:
    return await state_of(shadows, key) == state


async def test_a_record_that_has_expired_is_a_clear_error(place: Place) -> None:
    """INV 5: finished records expire; ``get_result`` then says that nothing is kept, and the state is none."""

    async def say(word: str) -> str:
        return word

    async with place.shadow(execution_ttl=timedelta(milliseconds=30)) as shadows:
        execution = await shadows.add(say, key="k")("word")
        await finish(shadows)
        await comes_true(lambda: _is_gone(shadows, "k"))
        with pytest.raises(ResultUnavailable, match=r"'k'.*expired"):
            await execution.get_result(timeout=10)
        await execution.sync()
        assert execution.state is None
        assert [event async for event in execution.subscribe()] == []


async def _is_gone(shadows: Shadow, key: str) -> bool:
    return await shadows.get_execution(key) is None


async def test_a_shadow_that_keeps_no_records_says_so_at_once(place: Place) -> None:
    """SEMANTICS, ``execution_ttl=0``: an ended run has no state, and its result is never waited for."""
    go = asyncio.Event()

    async def wait() -> str:
        await go.wait()
        return "done"

    async with place.shadow(execution_ttl=timedelta(0)) as shadows:
        execution = await shadows.add(wait, key="k")()
        with pytest.raises(ResultUnavailable, match="execution_ttl=0"):
            await execution.get_result()
        async with working(shadows, within=timedelta(seconds=5)):
            await comes_true(lambda: _is(shadows, "k", "running"))  # a live run has its record
            go.set()
            await comes_true(lambda: _is_gone(shadows, "k"))


async def test_the_handle_of_an_older_run_does_not_answer_for_a_newer_one(shadows: Shadow) -> None:
    """SEMANTICS: ``get_result`` answers for the run that the handle was returned for."""

    async def say(word: str) -> str:
        return word

    old = await shadows.add(say, key="k")("old")
    await finish(shadows)
    new = await shadows.add(say, key="k")("new")
    await finish(shadows)
    assert await new.get_result() == "new"
    with pytest.raises(ExecutionCancelled, match="superseded"):
        await old.get_result()


@pytest.mark.pickles
async def test_a_dead_letter_is_no_result(shadows: Shadow) -> None:
    """SEMANTICS: its state is failed and its error names the reason; whoever waits for it is told, not given None."""

    async def read(thing: Unreadable) -> None: ...

    execution = await shadows.add(read, key="k")(Unreadable())
    async with working(shadows):
        with pytest.raises(TaskFailed, match=r"'k'.*undecodable"):
            await execution.get_result(timeout=10)
    assert (execution.state, execution.error) == (ExecutionState.FAILED, "undecodable")
    assert (await shadows.snapshot()).dead == 1


async def test_a_waiter_whose_events_are_lost_looks_by_itself(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV 39: hints are only hints: without any of them the end is found within a second or so."""
    monkeypatch.setattr(watch, "LOOK_AGAIN", 0.1)
    go = asyncio.Event()

    async def wait() -> str:
        await go.wait()
        return "done"

    proxy.deaf = True
    async with proxy.shadow() as shadows:
        execution = await shadows.add(wait, key="k")()
        async with working(shadows, within=timedelta(seconds=5)):
            waiter = asyncio.create_task(execution.get_result(timeout=10))
            await comes_true(lambda: "SUBSCRIBE" in proxy.seen)
            await comes_true(lambda: _is(shadows, "k", "running"))
            go.set()
            assert await waiter == "done"


async def test_a_waiter_rides_out_a_broken_connection(proxy: Proxy) -> None:
    """INV 39: the event connection comes back by itself, and what was missed meanwhile is read."""
    go = asyncio.Event()

    async def wait() -> str:
        await go.wait()
        return "done"

    async with proxy.place.shadow() as direct, proxy.shadow() as shadows:
        execution = await shadows.add(wait, key="k")()
        async with working(direct, within=timedelta(seconds=5)):
            direct.register(wait)
            waiter = asyncio.create_task(execution.get_result(timeout=10))
            await comes_true(lambda: "SUBSCRIBE" in proxy.seen)
            await proxy.cut()
            go.set()
            assert await waiter == "done"


async def test_a_waiter_that_may_not_listen_looks_by_itself(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ACL without channels is no reason to wait for a confirmation that never comes, nor to storm the server."""
    monkeypatch.setattr(watch, "LOOK_AGAIN", 0.1)

    async def say(word: str) -> str:
        return word

    for _ in range(9):
        proxy.refuse("SUBSCRIBE", "NOPERM this user has no permissions to access one of the channels")
    async with proxy.shadow() as shadows:
        execution = await shadows.add(say, key="k")("word")
        async with working(shadows):
            assert await execution.get_result(timeout=4) == "word"
    assert 1 <= proxy.seen.count("SUBSCRIBE") <= 5


async def test_a_pub_sub_connection_is_open_only_while_somebody_waits(proxy: Proxy) -> None:
    """SEMANTICS, three connections: a client that waits for nothing has one connection, for commands."""

    async def say(word: str) -> str:
        return word

    async with proxy.shadow() as shadows:
        execution = await shadows.add(say, key="k")("word")
        assert proxy.connections == 1
        waiter = asyncio.create_task(execution.get_result())
        await comes_true(lambda: "SUBSCRIBE" in proxy.seen)
        waiter.cancel()
        await comes_true(lambda: proxy.connections <= 1)  # none, where it cut a command short
        assert proxy.seen.count("SUBSCRIBE") == 1
        await shadows.cancel("k")


async def test_a_server_that_is_away_too_long_is_told_to_the_waiter(proxy: Proxy) -> None:
    """A waiter puts up with it for ``add_deadline``; then it hears why, instead of waiting for ever."""

    async def say(word: str) -> str:
        return word

    async with proxy.shadow(add_deadline=timedelta(milliseconds=100)) as shadows:
        execution = await shadows.add(say, key="k", when=HOUR)("word")
        await proxy.down()
        with pytest.raises(BrokerUnavailable):
            await execution.get_result(timeout=10)
