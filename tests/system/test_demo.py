"""`shadows demo` keeps its promises."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, cast

import pytest
import redis

from shadows import Shadow
from shadows.cli import demo
from shadows.cli.demo_views import Happening, view

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Servers
    from tests.system.conftest import Said
    from tests.system.programs import Program

    type Start = Callable[..., Program]

PROMISED = [
    r"immediate +greet +completed +returned 'Hello, Ada!'",
    r"scheduled +remind +scheduled +due in \d\.\ds",
    r"scheduled +remind +completed +returned 'Remember the milk', \d+ ms after its time",
    r"keyed +charge +completed +returned 'order \d+ is charged'",
    r"keyed again +charge +refused +the key 'charge-order-\d+' is taken by a live run",
    r"retried +ask_a_flaky_service +scheduled +attempt 1 failed; the next one is due in \d\.\ds",
    r"retried +ask_a_flaky_service +scheduled +attempt 2 failed; the next one is due in \d\.\ds",
    r"retried +ask_a_flaky_service +completed +returned 'an answer, at attempt 3'",
    r"in a thread +count_primes +completed +returned 9592",
    r"failing +divide +failed +ZeroDivisionError: division by zero",
]


def check(said: str) -> None:
    """Each kind of call is seen, with its end; then it says what to type."""
    for line in PROMISED:
        assert re.search(line, said), f"{line!r} is not in:\n{said}"
    assert "Traceback" not in said
    assert "shadows worker --tasks yourmodule:tasks" in said


def test_the_demo_needs_no_server_and_shows_every_kind_of_call(program: Start) -> None:
    """Piped, it writes plain lines, in less than 15 seconds."""
    began = time.monotonic()
    piped = program("demo")
    assert piped.end() == 0, piped.text
    assert time.monotonic() - began < 15
    check(piped.text)
    assert "\x1b" not in piped.text


def test_the_demo_is_the_same_on_a_server_and_leaves_nothing_there(
    program: Start, servers: Servers, one_name: str
) -> None:
    """Every key that remains expires soon, but the few fixed ones, which all demos share."""
    server = servers.get(one_name)
    on_a_server = program("demo", "--url", server.url)
    assert on_a_server.end() == 0, on_a_server.text
    check(on_a_server.text)
    with redis.Redis.from_url(server.url) as client:
        keys = cast("list[bytes]", client.keys("shadows-demo*"))
        lasting = {key for key in keys if client.ttl(key) == -1}
    assert lasting <= {b"shadows-demo:stream", b"shadows-demo:!fence"}


def test_a_demo_without_its_server_says_so_in_a_few_lines(
    shadows: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one traceback for each part that gave up."""
    monkeypatch.setenv("SHADOW_ADD_DEADLINE", "200ms")
    said = shadows("demo", "--url", "redis://127.0.0.1:1/0")
    assert said.code == 69
    assert "redis://127.0.0.1:1/0" in said.err
    assert len(said.err.splitlines()) <= 8


def test_a_terminal_shows_a_table_that_grows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call has a row, with the states that it has gone through."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with view() as tell:
        tell(Happening(0.1, "immediate", "greet", "running", "attempt 1 on demo-worker"))
        tell(Happening(0.2, "immediate", "greet", "completed", "returned 'Hello'"))
        tell(Happening(0.3, "strange", "greet", "unheard of", "[bold] is no markup"))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    assert re.search(r"immediate +│ greet +│ running > completed +│ returned 'Hello'", text), text
    assert "[bold] is no markup" in text


async def test_each_task_of_the_demo_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be called like any function."""

    async def at_once(_: float) -> None:
        return None

    monkeypatch.setattr("asyncio.sleep", at_once)
    assert await demo.greet("Bob") == "Hello, Bob!"
    assert demo.count_primes(10) == 4
    assert await demo.remind("tea") == "Remember the tea"
    assert await demo.charge(3) == "order 3 is charged"
    with pytest.raises(ConnectionError):
        await demo.ask_a_flaky_service()
    with pytest.raises(ZeroDivisionError):
        await demo.divide(1, by=0)


async def test_a_state_that_nobody_foresaw_is_told_all_the_same() -> None:
    """A demo must not fall over because something went another way."""
    async with Shadow("demo", "memory://demo-notes") as shadow:
        execution = await shadow.add(demo.greet)("Ada")
        await shadow.cancel(execution.key)
        await execution.sync()
        assert await demo._note(execution) == "cancelled"
