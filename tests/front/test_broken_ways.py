"""The connection breaks, the server refuses or is away: what producers and workers make of it.  Server only."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shadows import (
    BrokerError,
    BrokerFull,
    BrokerUnavailable,
    Disposition,
    NotAllowed,
    OutcomeUnknown,
    Shadow,
    Worker,
)
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.engine import drain
from tests.front.acts import DEADLINE, HOUR, comes_true, heard, state_of, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.front.places import ServerPlace
    from tests.front.proxy import Proxy

ran: list[str] = []
SHORT = timedelta(milliseconds=100)
LOSE = pytest.mark.parametrize("lose", ["lose_request", "lose_reply"])


async def note(word: str) -> str:
    """Run, and let everybody see how often."""
    ran.append(word)
    return word


@pytest.fixture
async def direct(proxy: Proxy) -> AsyncIterator[Shadow]:
    """Give a client whose connection never breaks."""
    ran.clear()
    async with proxy.place.shadow() as shadow:
        shadow.register(note)
        yield shadow


# Producers


@LOSE
@pytest.mark.parametrize("how", ["generated key", "key", "replace", "many"])
async def test_an_add_that_broke_is_repeated_and_placed_once(proxy: Proxy, direct: Shadow, lose: str, how: str) -> None:
    """FAULTS 55 and 56, INV 37: the caller sees success, whether the server had heard of it or not."""
    if how == "replace":
        await direct.add(note, when=HOUR, key="k")("old")
    async with proxy.shadow() as shadows:
        fault = getattr(proxy, lose)("schedule")
        match how:
            case "generated key":
                placed = await shadows.add(note)("new")
            case "key":
                placed = await shadows.add(note, key="k")("new")
            case "replace":
                placed = await shadows.replace(note, None, "k")("new")
            case _:
                placed, _ = await shadows.add_many([shadows.call(note, key=key)("new") for key in ("k", "l")])
                await direct.cancel("l")
        assert fault.happened.is_set()
        assert placed.disposition is Disposition.SCHEDULED
        async with working(direct):
            assert await placed.get_result(timeout=DEADLINE) == "new"
    assert ran == ["new"]


async def test_a_server_that_was_never_reached_has_placed_nothing(proxy: Proxy, direct: Shadow) -> None:
    """FAULT 54: after the deadline the error names the place without its password, and nothing is in doubt."""
    await proxy.down()
    url = proxy.url.replace("redis://", "redis://user:hush@")
    async with Shadow(proxy.place.name, url, add_deadline=SHORT) as shadows:
        with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{proxy.port}") as away:
            await shadows.add(note, key="k")("word")
    assert "hush" not in str(away.value)
    assert not away.value.sent
    assert await direct.get_execution("k") is None


async def test_a_reply_that_never_came_leaves_the_outcome_unknown(proxy: Proxy, direct: Shadow) -> None:
    """The deadline passes after the request was sent: the error says that, and which calls it is about."""
    async with proxy.shadow(add_deadline=timedelta(milliseconds=300)) as shadows:
        fault = proxy.lose_reply("schedule")
        adding = asyncio.create_task(shadows.add(note, key="k", when=HOUR)("word"))
        await heard(fault.happened)
        await proxy.down()
        with pytest.raises(OutcomeUnknown, match="'k'"):
            await adding
    assert await state_of(direct, "k") == "scheduled"
    await direct.cancel("k")


async def test_a_full_server_is_told_at_once(proxy: Proxy, direct: Shadow) -> None:
    """FAULT 64: ``BrokerFull``, and no storm of retries; the next add tries again."""
    async with proxy.shadow() as shadows:
        proxy.refuse("schedule", "OOM command not allowed when used memory > 'maxmemory'.")
        with pytest.raises(BrokerFull):
            await shadows.add(note, key="k")("word")
        assert proxy.seen.count("schedule") == 1
        assert (await shadows.add(note, key="k")("word")).disposition is Disposition.SCHEDULED
    await direct.clear()


@pytest.mark.parametrize("word", ["LOADING Redis is loading", "READONLY You can't write", "CLUSTERDOWN The cluster"])
async def test_a_server_that_is_not_ready_is_asked_again(proxy: Proxy, direct: Shadow, word: str) -> None:
    """FAULTS 61 and 62: the producer waits a little, and is answered within its deadline."""
    async with proxy.shadow() as shadows:
        proxy.refuse("schedule", word)
        assert (await shadows.add(note, key="k")("word")).disposition is Disposition.SCHEDULED
    await direct.clear()


async def test_giving_up_an_add_disturbs_no_other(proxy: Proxy, direct: Shadow) -> None:
    """INV 17: a cancelled ``add`` leaves the connection to the others, and may have placed its call or not."""
    async with proxy.shadow() as shadows:
        fault = proxy.hold_reply("schedule")
        first = asyncio.create_task(shadows.add(note, key="first")("word"))
        await heard(fault.happened)
        second = asyncio.create_task(shadows.add(note, key="second")("word"))
        first.cancel()
        fault.go.set()
        assert (await second).disposition is Disposition.SCHEDULED
        with pytest.raises(asyncio.CancelledError):
            await first
    await direct.clear()


async def test_what_was_handed_in_is_sent_before_the_client_closes(proxy: Proxy, direct: Shadow) -> None:
    """An ``add`` under way when the context is left is answered all the same."""
    async with proxy.shadow() as shadows:
        fault = proxy.hold_reply("schedule")
        adding = asyncio.create_task(shadows.add(note, key="k")("word"))
        await heard(fault.happened)
        asyncio.get_running_loop().call_soon(fault.go.set)
    assert (await adding).disposition is Disposition.SCHEDULED
    await direct.clear()


async def test_a_connection_that_the_server_closed_while_idle_is_opened_anew(far: ServerPlace) -> None:
    """A restart or a time-out between two requests is no reason to fail the second one."""
    async with far.shadow() as shadows:
        assert (await shadows.snapshot()).total_tasks == 0
        far.curtain.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        driver = shadows.backend().broker.driver  # type: ignore[attr-defined]
        if isinstance(driver, RedisPyDriver):
            reader = driver._commands._connection._reader
            await comes_true(lambda: reader.at_eof() or reader.exception() is not None)
        else:  # it opens another one by itself
            await comes_true(lambda: len(far.curtain.ask("CLIENT", "LIST").splitlines()) > 1)
        assert (await shadows.snapshot()).total_tasks == 0


# Workers


async def test_a_worker_has_three_connections(proxy: Proxy, direct: Shadow) -> None:
    """SEMANTICS: commands, the wait at the door, and the renewals; its client needs none of its own meanwhile."""
    go = asyncio.Event()

    async def work() -> None:
        await heard(go)

    await direct.add(work, key="k")()
    async with proxy.shadow() as shadows:
        shadows.register(work)
        async with working(shadows, redelivery_timeout=SHORT, within=timedelta(seconds=5)):
            await comes_true(lambda: {"claim", "wait", "renew"} <= set(proxy.seen))
            assert proxy.connections == 3
            go.set()
        await comes_true(lambda: proxy.connections == 0)


@LOSE
async def test_a_claim_that_broke_at_the_door_strands_nothing(proxy: Proxy, direct: Shadow, lose: str) -> None:
    """SEMANTICS, a lost reply: what it had claimed is run, once, and as a first delivery."""
    async with proxy.shadow() as shadows:
        shadows.register(note)
        fault = getattr(proxy, lose)("door")
        async with working(shadows):
            await comes_true(lambda: "door" in proxy.seen)
            execution = await direct.add(note)("word")
            await heard(fault.happened)
            assert await execution.get_result(timeout=DEADLINE) == "word"
    assert ran == ["word"]
    assert not execution.redelivered


@LOSE
async def test_a_turn_that_broke_counts_once(proxy: Proxy, direct: Shadow, lose: str) -> None:
    """INV 16: the run it settled has its result, and the call that it claimed in the same step is run once."""
    async with proxy.shadow() as shadows:
        shadows.register(note)
        executions = [await direct.add(note)(word) for word in ("a", "b", "c")]
        fault = getattr(proxy, lose)("turn")
        async with working(shadows, concurrency=1):
            assert [await each.get_result(timeout=DEADLINE) for each in executions] == ["a", "b", "c"]
        assert fault.happened.is_set()
    assert ran == ["a", "b", "c"]


@pytest.mark.parametrize(
    "word",
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "MISCONF Errors writing to the AOF file",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "CLUSTERDOWN The cluster is down",
        "NOREPLICAS Not enough good replicas to write.",
        "BUSY Redis is busy running a script.",
        "MASTERDOWN Link with MASTER is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
    ],
)
async def test_a_worker_rides_out_what_a_server_may_say(proxy: Proxy, direct: Shadow, word: str) -> None:
    """INV 33: at its first claim, at the door, when it settles and when it checks in: it tries again."""
    async with proxy.shadow() as shadows:
        shadows.register(note)
        faults = [proxy.refuse(verb, word) for verb in ("claim", "turn", "check_in")]
        async with working(shadows):
            assert await (await direct.add(note)("word")).get_result(timeout=DEADLINE) == "word"
            await comes_true(lambda: all(fault.happened.is_set() for fault in faults))
    assert ran == ["word"]


@pytest.mark.parametrize(
    ("verb", "word", "error"),
    [
        ("claim", "ERR something that nobody expects", BrokerError),
        ("turn", "ERR something that nobody expects", BrokerError),
        ("renew", "NOPERM this user has no permissions to run the 'xclaim' command", NotAllowed),
    ],
)
async def test_anything_else_ends_the_worker_and_is_raised(
    proxy: Proxy, direct: Shadow, verb: str, word: str, error: type[BrokerError]
) -> None:
    """INV 33: no worker stops silently, and none goes on without what it cannot do without, such as renewals."""
    began = asyncio.Event()

    async def wait() -> None:
        began.set()
        if verb == "renew":
            await asyncio.Event().wait()

    async with proxy.shadow() as shadows:
        shadows.register(wait)
        await direct.add(wait, key="k")()
        proxy.refuse(verb, word)
        async with Worker(shadows, redelivery_timeout=timedelta(milliseconds=80)) as worker, asyncio.timeout(DEADLINE):
            with pytest.raises(error) as raised:
                await worker.run_forever()
    assert type(raised.value) is error


async def test_a_worker_that_cannot_be_listed_works_all_the_same(
    proxy: Proxy, direct: Shadow, caplog: pytest.LogCaptureFixture
) -> None:
    """Being listed is not worth ending for: it says so, tries again, and runs its calls meanwhile."""
    async with proxy.shadow() as shadows:
        shadows.register(note)
        fault = proxy.refuse("check_in", "NOPERM this user has no permissions to run the 'zadd' command")
        async with working(shadows, name="w", reconnection_delay=SHORT):
            assert await (await direct.add(note)("word")).get_result(timeout=DEADLINE) == "word"
            assert fault.happened.is_set()
            await comes_true(lambda: _here(direct, ["w"]))
    assert "no permissions to run the 'zadd' command" in caplog.text


async def test_what_is_left_is_not_worth_waiting_for_the_server(proxy: Proxy, direct: Shadow) -> None:
    """SEMANTICS, run_until_finished: unknown and dead calls are logged if they can be counted."""
    async with proxy.shadow() as shadows, Worker(shadows) as worker:
        proxy.refuse("survey", "LOADING Redis is loading")
        async with asyncio.timeout(DEADLINE):
            await worker.run_until_finished()
    assert "survey" in proxy.seen
    assert ran == []


async def test_a_worker_waits_for_a_server_that_is_not_there_yet(proxy: Proxy, direct: Shadow) -> None:
    """FAULT 54: away at the start, and again later: it works as soon as there is a way, and is listed."""
    await proxy.down()
    async with proxy.shadow() as shadows:
        shadows.register(note)
        async with working(shadows, name="w", reconnection_delay=SHORT):
            for word in ("first", "second"):
                execution = await direct.add(note)(word)
                with pytest.raises(TimeoutError):
                    await execution.get_result(timeout=0.1)
                await proxy.up()
                assert await execution.get_result(timeout=DEADLINE) == word
                await comes_true(lambda: _here(direct, ["w"]))
                await proxy.down()
            await proxy.up()
    assert ran == ["first", "second"]


async def _here(shadows: Shadow, names: list[str]) -> bool:
    return [worker.name for worker in await shadows.workers()] == names


async def test_a_drain_ends_within_its_limit_although_the_server_is_away(
    proxy: Proxy, direct: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV 36, FAULT 79: nothing can be handed back, so the lease expires by itself, and another worker takes over."""
    monkeypatch.setattr(drain, "GRACE", 0.2)
    began = asyncio.Event()

    async def work() -> str:
        if not began.is_set():
            began.set()
            await asyncio.Event().wait()
        return "done"

    execution = await direct.add(work)()
    async with proxy.shadow() as shadows:
        shadows.register(work)
        loop = asyncio.get_running_loop()
        async with Worker(shadows, redelivery_timeout=SHORT) as worker:
            run = asyncio.create_task(worker.run_forever())
            await heard(began)
            await proxy.down()
            before = loop.time()
            worker.stop(within=timedelta(0))
            async with asyncio.timeout(DEADLINE):
                await run
        assert loop.time() - before < 2  # the limit, and two graces
    async with working(direct):
        assert await execution.get_result(timeout=DEADLINE) == "done"


async def test_a_lost_lease_cancels_the_body_and_its_settle_loses(proxy: Proxy, direct: Shadow) -> None:
    """INV 12: A is cut off, its lease ends, B runs the call; A comes back: its body is cancelled, B's result stays."""
    cancelled, began, again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    go = asyncio.Event()
    bodies: list[int] = []

    async def work() -> str:
        bodies.append(len(bodies))
        if len(bodies) == 1:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                return "from A"
        again.set()
        await heard(go)
        return "from B"

    execution = await direct.add(work, key="k")()
    lease = timedelta(milliseconds=200)
    async with proxy.shadow() as shadows:
        shadows.register(work)
        async with working(shadows, name="a", redelivery_timeout=lease, reconnection_delay=SHORT):
            await heard(began)
            await proxy.down()
            await comes_true(lambda: proxy.place.curtain.pending()[0][2] > lease / timedelta(milliseconds=1))
            async with working(direct, name="b", redelivery_timeout=2 * lease, within=timedelta(seconds=5)):
                await heard(again)
                await proxy.up()
                await heard(cancelled)
                await execution.sync()
                assert (execution.worker, execution.redelivered) == ("b", True)
                go.set()
                assert await execution.get_result(timeout=DEADLINE) == "from B"
    await execution.sync()
    assert execution.worker == "b"
    assert bodies == [0, 1]


async def test_a_lease_outlives_renewals_that_failed(proxy: Proxy, direct: Shadow) -> None:
    """FAULT 67: a lease has slack for three renewals, and none of them takes a delivery."""
    go = asyncio.Event()

    async def work() -> str:
        ran.append("work")
        await heard(go)
        return "done"

    execution = await direct.add(work)()
    async with proxy.shadow() as shadows:
        shadows.register(work)
        faults = [proxy.refuse("renew", "LOADING"), proxy.lose_request("renew"), proxy.lose_reply("renew")]
        async with working(shadows, redelivery_timeout=timedelta(milliseconds=400), within=timedelta(seconds=5)):
            for fault in faults:
                await heard(fault.happened)
            count = proxy.seen.count("renew")
            await comes_true(lambda: proxy.seen.count("renew") > count)
            go.set()
            assert await execution.get_result(timeout=DEADLINE) == "done"
    assert not execution.redelivered
    assert ran == ["work"]


async def test_what_a_claim_brings_too_late_is_not_begun(proxy: Proxy, direct: Shadow) -> None:
    """INV 12: nobody renewed it while the answer lay there, as where a worker is frozen; B has run it by then."""
    execution = await direct.add(note)("word")
    async with proxy.shadow() as shadows:
        shadows.register(note)
        fault = proxy.hold_reply("claim")
        async with working(shadows, redelivery_timeout=SHORT, within=timedelta(seconds=5)):
            await heard(fault.happened)
            async with working(direct, redelivery_timeout=SHORT):
                assert await execution.get_result(timeout=DEADLINE) == "word"
            fault.go.set()
            after = await direct.add(note, key="after")("after")
            assert await after.get_result(timeout=DEADLINE) == "after"
    assert ran == ["word", "after"]


async def test_on_a_way_where_every_claim_comes_late_calls_are_run_all_the_same(proxy: Proxy, direct: Shadow) -> None:
    """INV 12: what was handed back once in doubt is begun the second time, as a first delivery."""
    execution = await direct.add(note)("word")
    async with proxy.shadow() as shadows:
        shadows.register(note)
        for verb in ("claim", "turn"):
            proxy.delay_reply(verb, SHORT.total_seconds() * 0.8)
        async with working(shadows, redelivery_timeout=SHORT, within=timedelta(seconds=5)):
            assert await execution.get_result(timeout=DEADLINE) == "word"
    assert ran == ["word"]
    assert not execution.redelivered


async def test_a_worker_that_stops_hands_back_what_it_has_not_started(proxy: Proxy, direct: Shadow) -> None:
    """INV 18: the claim was under way when it was told to stop; another worker runs the call as if nothing had been."""
    async with proxy.shadow() as shadows:
        shadows.register(note)
        fault = proxy.hold_reply("door")
        async with working(shadows, within=timedelta(seconds=5)) as worker:
            await comes_true(lambda: "door" in proxy.seen)
            execution = await direct.add(note, key="k")("word")
            await heard(fault.happened)
            assert await state_of(direct, "k") == "running"
            worker.stop()
            fault.go.set()
            await comes_true(lambda: _is(direct, "k", "queued"))
    assert ran == []
    async with working(direct):
        assert await execution.get_result(timeout=DEADLINE) == "word"
    assert (execution.attempt, execution.redelivered) == (1, False)


async def _is(shadows: Shadow, key: str, state: str) -> bool:
    return await state_of(shadows, key) == state


async def test_a_worker_survives_the_loss_of_everything(far: ServerPlace) -> None:
    """INV 35, FAULT 52: after FLUSHALL and SCRIPT FLUSH it works on, is listed again, and its body ends in peace."""
    ran.clear()
    began, go = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        began.set()
        await heard(go)

    async with far.shadow() as shadows, working(shadows, name="w", within=timedelta(seconds=5)):
        await shadows.add(wait)()
        await heard(began)
        far.curtain.ask("FLUSHALL")
        far.curtain.ask("SCRIPT", "FLUSH")
        assert await (await shadows.add(note)("word")).get_result(timeout=DEADLINE) == "word"
        go.set()
        await comes_true(lambda: _here(shadows, ["w"]))
    assert ran == ["word"]
