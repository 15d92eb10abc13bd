"""The pytest plugin as an application's tests meet it: each test here runs tests of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import redis

from tests.system.conftest import empty_database

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.timeout(300)  # each of them is several runs of pytest

TESTS = """
import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shadows import Retry, Shadow, TaskArgument, Worker
from shadows.testing import VirtualClock, assert_no_tasks, assert_task_scheduled

{mark}

async def charge(customer: int) -> str:
    return f"charged {{customer}}"


async def fail(retry: Retry = Retry(attempts=3, delay=timedelta(hours=12))) -> None:
    raise ConnectionError


async def test_a_worker_works_when_it_is_told_to(shadow: Shadow, worker: Worker) -> None:
    execution = await shadow.add(charge)(42)
    await worker.run_until_finished()
    assert await execution.get_result() == "charged 42"


async def test_a_call_may_stay_that_waits(shadow):
    await shadow.add(charge, key="k")(42)
    await assert_task_scheduled(shadow, charge, args=[42], key="k")


async def test_every_test_has_a_shadow_of_its_own(shadow):
    await assert_no_tasks(shadow)
    await shadow.add(charge, key="k")(42)


@pytest.mark.shadows(inline=True)
async def test_inline(shadow):
    assert await (await shadow.add(charge)(42)).get_result() == "charged 42"
    with pytest.raises(AssertionError):
        await assert_task_scheduled(shadow, charge)


@pytest.mark.shadows(start=datetime(2024, 2, 28, 22, tzinfo=UTC))
async def test_a_week(shadow, worker, virtual_clock: VirtualClock):
    running = asyncio.create_task(worker.run_forever())
    execution = await shadow.add(charge, when=timedelta(days=7))(42)
    await virtual_clock.advance(days=6, hours=23)
    await assert_task_scheduled(shadow, charge)
    await virtual_clock.advance(hours=1)
    assert await execution.get_result() == "charged 42"
    assert virtual_clock.now() == datetime(2024, 3, 6, 22, tzinfo=UTC)


@pytest.mark.shadows(inline=True)
async def test_inline_and_retries(virtual_clock, shadow):
    began = virtual_clock.now()
    with pytest.raises(ConnectionError):
        await shadow.add(fail)()
    assert virtual_clock.now() - began == timedelta(days=1)


async def test_that_needs_none_of_it(shadow_options):
    assert shadow_options == {{}}
"""
RUNNERS = {
    "asyncio-auto": (["-o", "asyncio_mode=auto", "-p", "no:anyio"], ""),
    "asyncio-strict": (["-o", "asyncio_mode=strict"], "pytestmark = pytest.mark.asyncio"),
    "asyncio-module": (["-o", "asyncio_mode=strict"], "pytestmark = pytest.mark.asyncio(loop_scope='module')"),
    "asyncio-session": (
        ["-o", "asyncio_mode=auto", "-o", "asyncio_default_test_loop_scope=session", "-p", "no:anyio"],
        "",
    ),
    "anyio": (
        ["-p", "no:asyncio"],
        "pytestmark = pytest.mark.anyio\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'",
    ),
    "anyio-beside-asyncio": (
        ["-o", "asyncio_mode=strict"],
        "pytestmark = pytest.mark.anyio\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'",
    ),
}
"""How the tests of an application may be run, and what they say for it."""
QUIET = ["-p", "no:randomly", "-p", "no:cacheprovider", "-W", "ignore:The configuration option"]


def ran(pytester: pytest.Pytester, *options: str, **outcomes: int) -> str:
    """Run the tests in the folder; tell what was printed."""
    result = pytester.runpytest("-W", "error", *QUIET, *options)
    result.assert_outcomes(**outcomes)
    return str(result.stdout)


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's own shell says must not matter."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("SHADOW_URL", "redis://127.0.0.1:1/0")  # nobody listens there


@pytest.mark.parametrize(
    "runner", [pytest.param(name, marks=[] if name == "asyncio-auto" else pytest.mark.slow) for name in RUNNERS]
)
def test_the_fixtures_fit_every_way_to_run_asynchronous_tests(pytester: pytest.Pytester, runner: str) -> None:
    """On the loop of the test, wherever that comes from; never on what SHADOW_URL says."""
    options, mark = RUNNERS[runner]
    pytester.makepyfile(TESTS.format(mark=mark))
    ran(pytester, *options, passed=7)


def test_the_fixtures_fit_every_backend(one_place: str, pytester: pytest.Pytester) -> None:
    """By option, or in the configuration; what they leave on the server is nothing at all."""
    url = empty_database(one_place)
    pytester.makepyfile(TESTS.format(mark=""))
    ran(pytester, *RUNNERS["asyncio-auto"][0], "--shadows-url", url, passed=7)
    ran(pytester, *RUNNERS["asyncio-auto"][0], "-o", f"shadows_url={url}", passed=7)
    with redis.Redis.from_url(url) as client:
        assert client.keys("*test-*") == []


LEAVES = """
import asyncio
from datetime import timedelta
import pytest
from shadows import Worker
from shadows.testing import assert_no_tasks

async def body() -> None:
    await asyncio.sleep(3600)

async def leave_waiting(shadow):
    await shadow.add(body, key="left")()

async def leave_running(shadow):
    worker = Worker(shadow, name="w", drain_timeout=timedelta(seconds=0.01))
    await worker.__aenter__()
    asyncio.create_task(worker.run_forever())
    execution = await shadow.add(body, key="left")()
    while execution.state is None or execution.state.value != "running":
        await asyncio.sleep(0.01)
        await execution.sync()

async def leave_dead(shadow):
    from tests.contract.acts import dead, take_one, settle, worker
    broker, who = shadow.backend().broker, worker()
    await shadow.add(body, key="left")()
    lease = await take_one(broker, who)
    await settle(broker, who, lease, dead(lease))

{mark}
async def test_it(shadow):
    await leave_{what}(shadow)
    {then}
"""
LEFT = {
    "waiting": "waiting: body()  key='left'  queued  (allow it: @pytest.mark.shadows(allow=['waiting']))",
    "running": "running: body()  key='left'  running",
    "dead": "a dead letter: body  key='left'  undecodable",
}


@pytest.mark.parametrize("what", LEFT)
def test_a_test_that_leaves_something_behind_fails(pytester: pytest.Pytester, what: str) -> None:
    """It passes, and then its clean-up fails, and says what is there and how to allow it."""
    pytester.makepyfile(LEAVES.format(mark="@pytest.mark.shadows(allow=[])", what=what, then=""))
    told = ran(pytester, "-o", "asyncio_mode=auto", passed=1, errors=1)
    assert "the test left something behind:" in told
    assert LEFT[what] in told
    assert ("a worker that still works, or has died: w" in told) == (what == "running")


@pytest.mark.slow
@pytest.mark.parametrize("what", LEFT)
def test_what_a_test_may_leave_is_said_by_a_marker_or_for_all(pytester: pytest.Pytester, what: str) -> None:
    """By default only what waits; and a test that has failed anyway is not told twice."""
    allowed = [what, "workers"]
    pytester.makepyfile(LEAVES.format(mark=f"@pytest.mark.shadows(allow={allowed})", what=what, then=""))
    ran(pytester, "-o", "asyncio_mode=auto", passed=1)
    pytester.makepyfile(LEAVES.format(mark="", what=what, then=""))
    ran(pytester, "-o", "asyncio_mode=auto", "-o", f"shadows_allow={' '.join(allowed)}", passed=1)
    ran(pytester, "-o", "asyncio_mode=auto", passed=1, errors=int(what != "waiting"))
    pytester.makepyfile(LEAVES.format(mark="", what=what, then="assert False"))
    ran(pytester, "-o", "asyncio_mode=auto", failed=1)


def test_how_they_are_made_can_be_changed(pytester: pytest.Pytester) -> None:
    """By fixtures of the same names, in a file, a folder or a class, as pytest users know it."""
    pytester.makepyfile(
        """
        import pytest
        from datetime import timedelta
        from shadows import Depends

        @pytest.fixture
        def shadow_options():
            return {"name": "ours", "execution_ttl": timedelta(hours=1)}

        @pytest.fixture
        async def worker_options():
            return {"concurrency": 3, "name": "w"}

        def rate() -> float:
            return 0.5

        async def convert(amount: float, rate: float = Depends(rate)) -> float:
            return amount * rate

        @pytest.fixture
        def fixed_rate(shadow):
            with shadow.override(rate, lambda: 2.0):
                yield

        async def test_it(shadow, worker, fixed_rate):
            assert (shadow.name, shadow.execution_ttl) == ("ours", timedelta(hours=1))
            assert (worker.name, worker.options.concurrency) == ("w", 3)
            execution = await shadow.add(convert)(10)
            await worker.run_until_finished()
            assert await execution.get_result() == 20
        """
    )
    ran(pytester, "-o", "asyncio_mode=auto", passed=1)


MISTAKES = {
    "@pytest.mark.shadows(inlined=True)": "the marker shadows takes inline=, start= and allow=, not {'inlined'}",
    "@pytest.mark.shadows(True)": "the marker shadows takes inline=, start= and allow=, not (True,)",
    "@pytest.mark.shadows(allow=['slots'])": "a test may leave behind waiting, running, workers, dead, not slots",
}


@pytest.mark.parametrize("mark", MISTAKES)
def test_a_marker_that_cannot_work_says_so(pytester: pytest.Pytester, mark: str) -> None:
    """Instead of being ignored."""
    pytester.makepyfile(f"import pytest\n{mark}\nasync def test_it(shadow): ...")
    assert MISTAKES[mark] in ran(pytester, "-o", "asyncio_mode=auto", passed=int("allow" in mark), errors=1)


def test_without_asyncio_the_fixtures_say_what_they_need(pytester: pytest.Pytester) -> None:
    """No plugin for asynchronous tests, or one that runs them on trio."""
    pytester.makepyfile("def test_it(shadow): ...")
    told = ran(pytester, "-p", "no:asyncio", "-p", "no:anyio", errors=1)
    assert (
        "the fixture for a shadow needs an event loop: pip install pytest-asyncio, or mark the test for anyio" in told
    )
    pytester.makepyfile("import pytest\n@pytest.mark.anyio\nasync def test_it(shadow): ...")
    told = ran(pytester, "-p", "no:asyncio", "-k", "trio", errors=1)
    assert "a shadow lives on asyncio: let the fixture anyio_backend return 'asyncio'" in told


def test_who_has_no_use_for_it_pays_nothing(tmp_path: Path) -> None:
    """The plugin is loaded in every run of pytest; what it is about is not. And nothing of ours needs pytest."""
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it():\n    print(sorted(name for name in sys.modules if name.startswith('shadows')))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-m", "pytest", "-q", "-s", *QUIET, "-p", "no:hypothesispytest", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "shadows.pytest_plugin" in done.stdout
    assert not any(name in done.stdout for name in ("shadows.shadow", "shadows.testing", "shadows.core"))
    program = "import sys, shadows.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, env=environment).returncode == 0
