from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
import uvloop

from shadows import ConfigurationError, Shadow, Worker
from shadows.process.loops import expect, new_loop
from tests.front.acts import finish


def test_python_has_a_loop_of_its_own() -> None:
    """It is the default."""
    loop = new_loop("asyncio")
    assert type(loop).__module__.startswith("asyncio")
    loop.close()


def test_a_worker_works_on_uvloop() -> None:
    """From the first claim to the last settle."""
    ran: list[int] = []

    async def note(number: int) -> None:
        ran.append(number)

    async def work() -> None:
        expect("uvloop")
        async with Shadow("loops", "memory://loops") as shadows:
            await shadows.add_many([shadows.call(note)(number) for number in range(100)])
            await finish(shadows)

    with asyncio.Runner(loop_factory=lambda: new_loop("uvloop")) as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)
        runner.run(work())
    assert sorted(ran) == list(range(100))


def test_without_uvloop_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """STYLE: a clear error that names argument, value and remedy."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ConfigurationError, match="loop=uvloop cannot work: uvloop is not installed") as refused:
        new_loop("uvloop")
    assert refused.value.remedy == "pip install 'shadow-task[uvloop]'"


@pytest.mark.parametrize("arguments", [{}, {"tasks": []}])
async def test_a_loop_that_runs_already_is_not_changed(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    """Worker.run cannot do what the variable asks for, and says so before it claims anything."""
    monkeypatch.setenv("SHADOW_WORKER_LOOP", "uvloop")
    with pytest.raises(ConfigurationError, match=r"SHADOW_WORKER_LOOP=uvloop cannot work here.*loop_factory"):
        await Worker.run("loops", "memory://loops", **arguments)
    expect("asyncio")
