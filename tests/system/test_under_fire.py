"""Whole workers, a real server, and what breaks between them: what must hold is judged by a history outside of both."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from shadows import BrokerUnavailable
from tests.system.fire import acts, history
from tests.system.fire.arena import Arena, until
from tests.system.fire.checks import wrong
from tests.system.fire.hostile import cling, hostile, lean_on_what_is_broken, leave
from tests.system.fire.nemesis import Nemesis
from tests.system.fire.story import tell
from tests.system.fire.tasks import work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.servers import Server
    from tests.system.fire.nemesis import Act
    from tests.way import Fault, Way

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEASE = 2.0
"""Seconds.  A test machine may keep a worker from its renewals for a good second."""


@asynccontextmanager
async def fire(server: Server, folder: Path, **options: object) -> AsyncIterator[Arena]:
    """Give an arena under load; afterwards every check must pass, and nothing may be left over."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    options = {"lease": LEASE, "most": 200, **options}
    async with Arena(server, folder, seed, **options) as arena:  # type: ignore[arg-type]
        async with arena.under_load():
            yield arena
        story, left = await arena.finish()
        found = wrong(story, deliveries=1000)
        assert not found, (found, [arena.crew.said(end.pid)[-3000:] for end in story.ends if end.code not in (0, -9)])
        assert left.wrong() == {}


async def all_bite(arena: Arena, kinds: Iterable[str], times: int = 2) -> None:
    """Break these things so often; a fault that nobody feels tests nothing, so it is tried again."""
    nemesis = Nemesis(arena, arena.dice, acts.ACTS)
    for kind in kinds:
        for _ in range(10):
            await until(lambda: len(arena.ledger.flight) >= 100)
            await nemesis.do(kind)
            if nemesis.bit[kind] == times:
                break
            await asyncio.sleep(0.2)  # let them come back from the last one
        assert nemesis.bit[kind] == times, (kind, nemesis.given)


async def test_calm(own_server: Callable[..., Server], one_name: str, tmp_path: Path) -> None:
    """Where nothing breaks nothing is run twice, and every kind of call is counted."""
    async with fire(own_server(one_name), tmp_path) as arena:
        await until(lambda: arena.ledger.acknowledged > 1000)
    story = tell(history.read(tmp_path / "history"))
    kinds = Counter(key.partition("-")[0] for key in story.calls)
    assert {*kinds} == {"one", "many", "later", "replaced", "cancelled", "retried", "limited", "threaded", "chain"}
    assert not story.absences


OTHERS: dict[str, Callable[[Way, str, int], Fault]] = {
    "request lost": lambda way, verb, nth: way.lose_request(verb, nth),
    "reply lost": lambda way, verb, nth: way.lose_reply(verb, nth),
    "reply cut at once": lambda way, verb, nth: way.cut_reply(verb, 1, nth),
    "reply cut": lambda way, verb, nth: way.cut_reply(verb, 3, nth),
    "HTTP": lambda way, verb, nth: way.garble(verb, b"HTTP/1.1 400 Bad Request\r\n\r\n", nth),
    "nonsense": lambda way, verb, nth: way.garble(verb, b"\x00\xff\r\n", nth),
    "reply late": lambda way, verb, nth: way.delay_reply(verb, 0.2, nth),
    "request delivered late": lambda way, verb, nth: way.deliver_late(verb, 0.2, nth),
}


def said(word: str, *, done: bool) -> Callable[[Way, str, int], Fault]:
    """Let a server say this instead of doing something, or although it has done it."""
    return lambda way, verb, nth: (way.belie if done else way.refuse)(verb, word, nth)


BROKEN = {
    **OTHERS,
    **{f"{word.split()[0]} instead": said(word, done=False) for word in acts.ERRORS},
    **{f"{word.split()[0]} too": said(word, done=True) for word in acts.ERRORS},
}


async def test_every_request_may_be_lost_in_every_way(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULTS 55, 56, 60-62, 64, 66, 67, INV 16, INV 37: each verb, the first or the second from now on."""
    async with fire(own_server(one_name), tmp_path) as arena:
        felt = Counter[str]()

        async def break_all(verb: str, ways: Sequence[Way]) -> None:
            for name in arena.dice.sample([*BROKEN], len(BROKEN)):
                fault = BROKEN[name](arena.dice.choice(ways), verb, arena.dice.choice((1, 2)))
                async with asyncio.timeout(120):
                    await fault.happened.wait()
                felt[name] += 1

        verbs = dict.fromkeys(acts.OF_WORKERS, arena.ways[:-1]) | dict.fromkeys(acts.OF_PRODUCERS, arena.ways[-1:])
        async with asyncio.TaskGroup() as group:
            for verb, ways in verbs.items():
                group.create_task(break_all(verb, ways))
        assert felt == dict.fromkeys(BROKEN, len(verbs))


@pytest.mark.parametrize("kinds", [acts.WAYS, acts.SERVER, acts.WORKERS], ids=["ways", "server", "workers"])
async def test_everything_may_break(
    own_server: Callable[..., Server], tmp_path: Path, kinds: Mapping[str, Act], each_name: str
) -> None:
    """FAULTS 51, 52, 54, 58, 63, 64, 67, 74, 77: each twice, with a hundred calls in flight."""
    async with fire(own_server(each_name, aof=True), tmp_path) as arena:
        await all_bite(arena, kinds if kinds is not acts.WORKERS else [*kinds, "worker cut off"])


async def test_a_killed_worker_is_replaced_in_time(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULT 77: what it ran begins again within its lease and two seconds, and what this machine is late besides."""
    late = 0.0

    async def look() -> None:
        nonlocal late
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.05)
            late = max(late, time.monotonic() - began - 0.05)

    async with fire(own_server(one_name), tmp_path) as arena:
        looking = asyncio.create_task(look())
        for _ in range(3):
            await all_bite(arena, ["worker killed"], 1)
            await asyncio.sleep(LEASE + 2)  # the next one shall not die with what it has taken over and not begun
        looking.cancel()
    story = tell(history.read(tmp_path / "history"))
    deaths = {one.pid: one.since for one in story.absences}
    cut = {body.key: deaths[body.pid] for body in story.bodies if body.how is None and body.pid in deaths}
    again = {
        key: min(body.begin for body in story.bodies if body.key == key and body.begin > at) for key, at in cut.items()
    }
    assert again
    steps = 3  # to look, to ask, to begin: any of them may be late
    assert max(again[key] - at for key, at in cut.items()) < LEASE + 2 + steps * late


async def test_a_server_that_is_away_for_longer_than_a_lease_makes_nobody_run_twice(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """INV 12: it comes back with nothing but leases that have ended, and those who live keep theirs."""
    server = own_server(one_name, aof=True)
    async with fire(server, tmp_path, lease=2 * LEASE) as arena:
        await until(lambda: len(arena.ledger.flight) >= 100)
        server.kill()
        await asyncio.sleep(3 * LEASE)
        await asyncio.to_thread(server.restart)
        before = arena.ledger.acknowledged
        await until(lambda: arena.ledger.acknowledged > before + 100)
    assert not tell(history.read(tmp_path / "history")).excuses


async def test_an_append_only_file_of_each_second_keeps_what_was_acknowledged(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULT 74: a killed server has written what it answered, unless its disk is busy; a power cut takes a second."""
    server = own_server(one_name, "--appendfsync", "everysec", aof=True)
    async with fire(server, tmp_path) as arena:
        for _ in range(3):
            await until(server.has_written)
            await all_bite(arena, ["server killed"], 1)


async def test_workers_and_producers_may_be_there_before_the_server(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULT 54: they wait for it, and say so; what nobody acknowledged is not in doubt."""
    server = own_server(one_name)
    server.kill()
    async with Arena(server, tmp_path, 1, lease=LEASE, workers=0) as arena:
        hand = arena.crew.hire(arena.ways[0].url)
        await asyncio.to_thread(hand.program.until, f"127.0.0.1:{arena.ways[0].port}")
        arena.ledger.ask("early")
        with pytest.raises(BrokerUnavailable) as away:
            await arena.direct.add(work, key="early")(0)
        assert not away.value.sent
        await asyncio.to_thread(server.restart)
        arena.ledger.ask("k")
        await arena.direct.add(work, key="k")(0)
        arena.ledger.acknowledge("k")
        before = time.monotonic()
        story, left = await arena.finish()
        assert time.monotonic() - before < 10
        assert not wrong(story)
        assert left.wrong() == {}
        assert {body.key for body in story.bodies} == {"k"}


async def test_hostile_tasks_harm_nobody_but_themselves(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULTS 27, 29-33, 35, 37, 38: fourteen of them among healthy ones: all end, and each worker lives."""
    tasks = "tests.system.fire.hostile:tasks"
    async with Arena(own_server(one_name), tmp_path, 1, lease=LEASE, workers=2, tasks=tasks, deliveries=5) as arena:
        for task in hostile:
            arena.direct.register(task)
        for number in range(200):
            arena.ledger.ask(key := f"work-{number}")
            await arena.direct.add(work, key=key)(0.01)
            arena.ledger.acknowledge(key)
            if number % 10 == 0:
                task = hostile[number // 10 % len(hostile)]
                arena.ledger.ask(key := f"{task.__name__}-{number}")
                await arena.direct.add(task, key=key)()
                if task is cling:
                    await begins(arena, key)
                    await arena.direct.cancel(key)
        story, left = await arena.finish()
    assert not wrong(story)
    assert {end.code for end in story.ends} == {0}
    assert left.wrong() == {}
    assert {body.key.partition("-")[0] for body in story.bodies} == {task.__name__ for task in [work, *hostile]} - {
        lean_on_what_is_broken.__name__
    }


async def begins(arena: Arena, key: str) -> None:
    """Wait until a body of this key has begun."""
    await until(lambda: any(line["what"] == "begin" and line["key"] == key for line in history.read(arena.history)))


async def test_a_call_that_ends_each_process_is_given_up(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULT 36, INV 14: it is delivered five times, then it is a dead letter; the healthy ones are run all the same."""
    tasks = "tests.system.fire.hostile:tasks"
    async with Arena(own_server(one_name), tmp_path, 1, lease=0.5, workers=0, tasks=tasks, deliveries=5) as arena:
        arena.direct.register(leave)
        await arena.direct.add(leave, key="leave")()
        for number in range(20):
            arena.ledger.ask(key := f"work-{number}")
            await arena.direct.add(work, key=key)(0.01)
            arena.ledger.acknowledge(key)
        while not await arena.direct.dead_letters():
            hand = arena.crew.hire(arena.server.url)
            hand.asked = True  # by the call that ends it
            while not hand.ended and not await arena.direct.dead_letters():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        story, left = await arena.finish()
        (letter,) = await arena.direct.dead_letters()
    assert (letter.key, letter.reason) == ("leave", "worker-lost")
    assert [end.code for end in story.ends] == [3] * 5 + [0]
    assert [body.key for body in story.bodies].count("leave") == 5
    assert left.wrong() == {}
    assert {call.state for call in story.calls.values() if call.acked is not None} == {"completed"}


async def test_a_rolling_restart_loses_and_repeats_nothing(
    own_server: Callable[..., Server], one_name: str, tmp_path: Path
) -> None:
    """FAULT 79, INV 36: each worker drains, and its successor is there before."""
    async with fire(own_server(one_name), tmp_path) as arena:
        for old in [*arena.crew.hands]:
            await arena.crew.ready(arena.crew.hire(old.url))
            await arena.crew.dismiss(old)
    story = tell(history.read(tmp_path / "history"))
    assert len(story.ends) == 6
    assert len({body.pid for body in story.bodies}) == 6
