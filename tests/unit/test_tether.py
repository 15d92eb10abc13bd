"""What ties a worker process to its parent, both ends in this process."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from http import HTTPStatus

import pytest

from shadows.adapters.observers.expositions import Ledger
from shadows.adapters.web import Answer
from shadows.process.crew import Crew, Member
from shadows.process.roll import Roll
from shadows.process.tether import VARIABLE, Held, Tether, membership

LIMIT = 10.0


async def ready() -> Answer:
    """Say something."""
    return Answer("ready\n")


async def big() -> Answer:
    """Say much."""
    return Answer(b"x" * 1_000_000, HTTPStatus.SERVICE_UNAVAILABLE, "text/css")


async def broken() -> Answer:
    """Say nothing."""
    raise ZeroDivisionError


async def never() -> Answer:
    """Say nothing either."""
    await asyncio.sleep(3600)
    raise AssertionError


PAGES = {"/readyz": ready, "/livez": ready, "/big": big, "/broken": broken, "/never": never}


async def tied(torn: threading.Event) -> tuple[Tether, Held]:
    """Give both ends."""
    ours, theirs = socket.socketpair()
    return Tether(theirs, PAGES, torn.set), await Held.of(ours)


async def test_questions_are_answered_each_with_its_own_answer() -> None:
    """One that takes its time delays no other; one that nobody waits for any more is dropped."""
    tether, held = await tied(torn := threading.Event())
    listening = asyncio.create_task(held.listen())
    async with asyncio.timeout(LIMIT):
        early = asyncio.create_task(held.ask("/readyz"))  # it waits until the other end begins
        await asyncio.sleep(0)
        with tether:
            slow = asyncio.create_task(held.ask("/never"))
            assert await early == Answer(b"ready\n")
            assert await held.ask("/big") == Answer(b"x" * 1_000_000, HTTPStatus.SERVICE_UNAVAILABLE, "text/css")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await held.ask("/readyz")
            answer = await held.ask("/broken")
            assert answer is not None
            assert answer.status is HTTPStatus.INTERNAL_SERVER_ERROR
        assert await slow is None
        await listening
        assert await held.ask("/readyz") is None
    assert not torn.is_set()
    held.close()


async def test_a_parent_that_is_gone_is_noticed() -> None:
    """The system closes its end, however it has died."""
    tether, held = await tied(torn := threading.Event())
    with tether:
        held.close()
        assert await asyncio.to_thread(torn.wait, LIMIT)


async def test_a_parent_that_goes_while_it_is_answered_is_noticed_too() -> None:
    """What cannot be sent is dropped."""
    ours, theirs = socket.socketpair()
    torn = threading.Event()
    with Tether(theirs, PAGES, torn.set):
        ours.sendall(b"0 /big\n" * 20)
        await asyncio.to_thread(ours.recv, 1)
        ours.close()  # with data unread, which resets the connection
        assert await asyncio.to_thread(torn.wait, LIMIT)


def test_a_process_is_told_once_that_it_is_one_of_several() -> None:
    """What it starts itself must not take itself for another one."""
    ours, theirs = socket.socketpair()
    environment = {VARIABLE: f"3:{os.dup(theirs.fileno())}"}
    member = membership(environment)
    assert member is not None
    assert (member.number, environment, membership(environment)) == (3, {}, None)
    assert not os.get_inheritable(member.line.fileno())
    for each in (ours, theirs, member.line):
        each.close()


class Scripted(Crew):
    """Processes that say what they are to say."""

    said: dict[int, Answer | None]

    async def ask(self, path: str) -> dict[int, Answer | None]:
        """Give it, whatever the path."""
        return self.said


AWAY = Answer("the broker is away\n", HTTPStatus.SERVICE_UNAVAILABLE)
READY = Answer(b"ready\n")


@pytest.mark.parametrize(
    ("path", "said", "up", "status", "text"),
    [
        ("/readyz", {1: READY, 2: READY}, {1, 2}, 200, "ready\n"),
        ("/readyz", {1: READY, 2: AWAY}, {1, 2}, 503, "1: ready; 2: the broker is away\n"),
        ("/readyz", {1: AWAY, 2: AWAY}, {1, 2}, 503, "the broker is away\n"),
        ("/readyz", {1: READY, 2: None}, {1}, 503, "1: ready; 2: starting\n"),
        ("/livez", {1: READY, 2: None}, {1}, 200, "1: ready; 2: starting\n"),
        ("/livez", {1: READY, 2: None}, {1, 2}, 503, "1: ready; 2: it does not answer\n"),
        ("/readyz", {}, set(), 503, "ending\n"),
        ("/autoscale", {1: AWAY, 2: READY}, {1, 2}, 200, "ready\n"),
        ("/autoscale", {1: AWAY, 2: None}, {1}, 503, "the broker is away\n"),
        ("/autoscale", {1: None, 2: None}, set(), 503, "no worker process runs\n"),
    ],
)
async def test_the_pages_of_all_of_them(
    path: str, said: dict[int, Answer | None], up: set[int], status: int, text: str
) -> None:
    """Ready and alive are all of them or none; the shadow is the same for each."""
    crew = Scripted([], 2, (), until_finished=False, left=lambda _: None)
    crew.said = said
    tether, held = await tied(threading.Event())
    for number in up:
        crew.members[number] = Member(None, held, up=True)  # type: ignore[arg-type]
    answer = await Roll(crew, asyncio.get_running_loop()).of_health[path]()
    body = answer.body if isinstance(answer.body, str) else answer.body.decode()
    assert (answer.status, body) == (status, text)
    held.close()
    tether.line.close()


async def test_metrics_are_those_of_all_that_answer() -> None:
    """One that does not has told some before, or none yet."""
    crew = Scripted([], 2, (), until_finished=False, left=lambda _: None)
    crew.said = {1: Answer("# TYPE sold_total counter\nsold_total 3.0\n"), 2: None}
    tether, held = await tied(threading.Event())
    crew.members[1] = Member(None, held, up=True)  # type: ignore[arg-type]
    answer = await Roll(crew, asyncio.get_running_loop(), Ledger()).of_metrics["/metrics"]()
    assert isinstance(answer.body, bytes)
    assert b"\nsold_total 3.0\n" in answer.body
    held.close()
    tether.line.close()


async def test_one_that_does_not_answer_in_time_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches must not hang for it."""
    monkeypatch.setattr("shadows.process.crew.PATIENCE", 0.01)
    crew = Crew([], 2, (), until_finished=False, left=lambda _: None)
    tether, held = await tied(threading.Event())
    crew.members[1] = Member(None, held, up=True)  # type: ignore[arg-type]
    assert await crew.ask("/never") == {1: None, 2: None}
    held.close()
    tether.line.close()
