"""A worker's whole process in this one: what it answers to those who watch it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from shadows import ConfigurationError, Shadow, Worker
from shadows.adapters.web import listen
from shadows.core import health
from shadows.core.settings import process_options
from shadows.process import probes
from shadows.process.work import work
from tests.clients import on_another_loop
from tests.front.acts import DEADLINE, HOUR, comes_true, heard, state_of
from tests.pages import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.front.places import Place
    from tests.front.proxy import Proxy

HEALTH = "/ /readyz /livez /autoscale"


class Watched:
    """A worker's process, and the pages that it serves."""

    def __init__(self, shadow: Shadow, worker: Worker, port: int) -> None:
        self.shadow, self.worker, self.port = shadow, worker, port

    async def asked(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        return await asyncio.to_thread(ask, self.port, path)

    async def demand(self) -> dict[str, float]:
        """Return what an autoscaler is told."""
        told: dict[str, float] = json.loads((await self.asked("/autoscale"))[1])
        return told

    async def ready(self) -> bool:
        """Whether a probe would say so."""
        return (await self.asked("/readyz"))[0] == 200


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "shadows")


async def port_of(caplog: pytest.LogCaptureFixture, pages: str) -> int:
    """Wait until somebody serves these pages, and return where."""
    found: list[str] = []

    def told() -> bool:
        found[:] = re.findall(rf"port (\d+) serves {pages}$", caplog.text, re.MULTILINE)
        return bool(found)

    await comes_true(told)
    return int(found[-1])


@asynccontextmanager
async def watched(shadow: Shadow, caplog: pytest.LogCaptureFixture, **options: Any) -> AsyncIterator[Watched]:
    """Run a worker's process beside the test."""
    worker = Worker(shadow, **options)
    around = process_options({"healthcheck_port": 0}, {})
    working = asyncio.create_task(work(shadow, worker, around, until_finished=False))
    try:
        yield Watched(shadow, worker, await port_of(caplog, HEALTH))
    finally:
        worker.stop(within=HOUR)
        await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working


async def test_a_worker_that_could_claim_is_ready(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """INV 34: 200 when a claim was answered within the last interval, 503 with the reason before and after."""
    async with watched(place.shadow(), caplog) as seen:
        await comes_true(seen.ready)
        assert await seen.asked("/readyz") == await seen.asked("/") == (200, "ready\n")
        assert await seen.asked("/livez") == (200, "alive, ready\n")
        looks = seen.worker._loop
        assert looks is not None
        looks.signs.looked = asyncio.get_running_loop().time() - 60
        status, text = ask(seen.port, "/readyz")  # in this thread, so that no look can come in between
        assert (status, text[:28]) == (503, "the last look at the broker ")


async def test_a_worker_is_alive_though_its_server_is_away(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """INV 34: it is not ready; whoever restarts workers that are not alive gains nothing by restarting this one."""
    async with watched(proxy.shadow(), caplog) as seen:
        await comes_true(seen.ready)
        await proxy.down()
        await comes_true(lambda: seen.worker.health().words == "the broker is away")
        assert await seen.asked("/readyz") == (503, "the broker is away\n")
        assert await seen.asked("/livez") == (200, "alive, the broker is away\n")
        assert await seen.asked("/autoscale") == (503, "the broker is away\n")
        await proxy.up()
        await comes_true(seen.ready)


async def test_a_worker_whose_event_loop_hangs_is_dead(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULT 33: the pages are served from another thread, so they answer, and say so."""
    monkeypatch.setattr(health, "DEAD_AFTER", 0.2)
    monkeypatch.setattr(probes, "PATIENCE", 0.05)
    found: dict[str, tuple[int, str]] = {}
    async with watched(place.shadow(), caplog) as seen:
        await comes_true(seen.ready)
        asked = threading.Event()

        def probe() -> None:
            while (live := ask(seen.port, "/livez"))[0] == 200:
                time.sleep(0.01)
            found.update({"/livez": live, **{path: ask(seen.port, path) for path in ("/readyz", "/autoscale")}})
            asked.set()

        async def block() -> None:
            thread = threading.Thread(target=probe)
            thread.start()
            asked.wait(DEADLINE)
            thread.join()

        await (await seen.shadow.add(block)()).get_result(timeout=DEADLINE)
    for path in ("/livez", "/readyz"):
        assert found[path][0] == 503
        assert found[path][1].startswith("the event loop or the pump hangs, for ")
    assert found["/autoscale"] == (503, "the event loop or the broker is busy\n")


async def test_an_autoscaler_is_told_what_waits_and_how_many_workers_it_wants(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The numbers are those of the shadow, whichever of its workers is asked."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body(number: int) -> None:
        began.set()
        await heard(go)

    async with watched(place.shadow(), caplog, concurrency=2) as seen:
        await comes_true(seen.ready)
        assert await seen.demand() == {"backlog": 0, "oldest_age_s": 0.0, "desired_workers": 1}
        await seen.shadow.add(body, when=HOUR, key="later")(0)
        await seen.shadow.add_many(seen.shadow.call(body)(number) for number in range(7))
        await heard(began)
        await comes_true(lambda: _as_told(seen, backlog=5, desired_workers=4))
        before = (await seen.demand())["oldest_age_s"]
        await comes_true(lambda: _is_older(seen, before))
        go.set()
        await comes_true(lambda: _as_told(seen, backlog=0, desired_workers=1))
        await seen.shadow.cancel("later")


async def _as_told(seen: Watched, **numbers: int) -> bool:
    return numbers.items() <= (await seen.demand()).items()


async def _is_older(seen: Watched, before: float) -> bool:
    return (await seen.demand())["oldest_age_s"] > before


async def test_before_it_works_it_says_so(place: Place) -> None:
    """The ports are taken first; a shadow that is not open yet cannot be looked at."""
    shadow = place.shadow()
    pages = probes.Probes(shadow, Worker(shadow), asyncio.get_running_loop())
    assert (await pages.ready()).body == "not running\n"
    assert (await pages.alive()).body == "alive, not running\n"
    assert (await pages.autoscale()).body == "not running\n"


async def test_a_program_of_your_own_is_one_process(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be started anew as a command can, so what asks for several is refused instead of forgotten."""
    monkeypatch.setenv("SHADOW_WORKER_PROCESSES", "4")
    with pytest.raises(ConfigurationError, match=r"SHADOW_WORKER_PROCESSES=4 .* run the command `shadows worker`"):
        await Worker.run(place.name, place.url, tasks=[], until_finished=True)


async def test_a_port_that_is_taken_ends_it_before_anything_is_claimed(place: Place) -> None:
    """FAULT 83: the call waits on, and has used up nothing."""

    async def body() -> None: ...

    async with place.shadow() as client:
        await client.add(body, key="k")()
        with listen(0, source="x") as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigurationError, match=f"healthcheck_port={port} cannot be served: address already"):
                await Worker.run(place.name, place.url, tasks=[body], healthcheck_port=port, until_finished=True)
        assert await state_of(client, "k") == "queued"
        await client.cancel("k")


# Worker.run


async def double(number: int) -> int:
    """Be a task."""
    return 2 * number


async def triple(number: int) -> int:
    """Be another one."""
    return 3 * number


tasks = [triple]


async def test_a_whole_process_opens_the_shadow_and_imports_the_tasks(place: Place) -> None:
    """PARITY, Worker.run: functions, and paths as on the command line; it ends with 0 when nothing is left."""
    async with place.shadow(allow_unknown=True) as client:
        doubled, tripled = await client.add("double")(21), await client.add("triple")(2)
        code = await Worker.run(
            place.name, place.url, tasks=[double, "tests.front.test_process:tasks"], until_finished=True, concurrency=2
        )
        assert code == 0
        assert await doubled.get_result(timeout=DEADLINE) == 42
        assert await tripled.get_result(timeout=DEADLINE) == 6


async def test_the_environment_counts_for_a_whole_process_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the command; an argument wins over it."""
    monkeypatch.setenv("SHADOW_TASKS", "tests.front.test_process:tasks")
    monkeypatch.setenv("SHADOW_NAME", place.name)
    monkeypatch.setenv("SHADOW_URL", place.url)
    async with place.shadow(allow_unknown=True) as client:
        tripled = await client.add("triple")(2)
        assert await Worker.run(until_finished=True) == 0
        assert await tripled.get_result(timeout=DEADLINE) == 6
    monkeypatch.setenv("SHADOW_TASKS", "no.such:module")
    assert await Worker.run(tasks=[double], until_finished=True) == 0


async def test_the_first_signal_drains_a_whole_process(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """PARITY, Worker.run: and afterwards the program has its own handlers again."""
    began, go = asyncio.Event(), asyncio.Event()

    async def body() -> str:
        began.set()
        await heard(go)
        return "done"

    before = signal.getsignal(signal.SIGTERM)
    async with place.shadow() as client:
        execution = await client.add(body)()
        running = asyncio.create_task(Worker.run(place.name, place.url, tasks=[body]))
        await heard(began)
        os.kill(os.getpid(), signal.SIGTERM)
        await comes_true(lambda: "SIGTERM: waiting up to 30s for running calls" in caplog.text)
        go.set()
        assert await running == 0
        assert await execution.get_result(timeout=DEADLINE) == "done"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_forces_a_whole_process(
    place: Place, caplog: pytest.LogCaptureFixture, sign: signal.Signals, code: int
) -> None:
    """What still ran is handed back at once; the number is what a shell would give."""
    began = asyncio.Event()

    async def body() -> None:
        began.set()
        await asyncio.Event().wait()

    async with place.shadow() as client:
        await client.add(body, key="k")()
        running = asyncio.create_task(Worker.run(place.name, place.url, tasks=[body]))
        await heard(began)
        os.kill(os.getpid(), sign)
        await comes_true(lambda: f"{sign.name}: waiting up to 30s" in caplog.text)
        os.kill(os.getpid(), sign)
        assert await running == code
        assert await state_of(client, "k") == "queued"
        await client.cancel("k")


async def test_whoever_cancels_a_whole_process_cancels_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """It is a coroutine like any other; only a signal is an answer of its own."""
    running = asyncio.create_task(Worker.run(place.name, place.url, tasks=[double]))
    await comes_true(lambda: "knows 1 tasks" in caplog.text)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_in_another_thread_it_hears_no_signal_and_works_all_the_same(place: Place) -> None:
    """INV 38: there nobody can; whoever started the thread stops it."""
    if place.kind == "memory":
        return  # one event loop for each memory
    async with place.shadow(allow_unknown=True) as client:
        doubled = await client.add("double")(21)
        run = Worker.run(place.name, on_another_loop(place.url), tasks=[double], until_finished=True)
        assert await asyncio.to_thread(asyncio.run, run) == 0
        assert await doubled.get_result(timeout=DEADLINE) == 42
