"""A shadow in a FastAPI application: through real HTTP, and in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from shadows import ConfigurationError, ExecutionProgress, Progress, Shadow
from shadows.fastapi import AppShadow, lifespan, opened, status_router
from tests.servers import free_port
from tests.system.conftest import empty_database
from tests.system.programs import PATIENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

DAY = timedelta(days=1)


@asynccontextmanager
async def visited(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """Let the application live, and give a client of it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield client


async def ended(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """Ask until the call has ended."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await client.get(path)
            if answer.status_code != 202:
                return answer
            await asyncio.sleep(0.02)


async def double(number: int, secret: str, progress: ExecutionProgress = Progress()) -> int:
    await progress.set_total(3)
    await progress.increment()
    await progress.set_message("doubling")
    return 2 * number


async def fail(secret: str) -> None:
    raise ValueError(secret)


async def odd() -> complex:
    return 1j


class Fades:
    """A value that nobody can read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _unreadable, ()


def _unreadable() -> None:
    raise ImportError("gone")


async def fades() -> Fades:
    return Fades()


def application(place: str, **options: Any) -> FastAPI:
    app = FastAPI(lifespan=lifespan(Shadow("app", empty_database(place)), tasks=[double, fail, odd, fades], **options))
    app.include_router(status_router(results=True), prefix="/tasks")

    @app.post("/double/{number}")
    async def place_one(number: int, shadow: AppShadow, key: str, days: int = 0) -> str:
        return (await shadow.add(double, DAY * days, key)(number, "s3cret")).key

    @app.post("/fail")
    async def place_failing(shadow: AppShadow) -> None:
        await shadow.add(fail, key="fail")("s3cret")
        await shadow.add(odd, key="odd")()
        await shadow.add(fades, key="fades")()

    return app


async def test_an_endpoint_places_and_the_router_shows(place: str) -> None:
    """State, progress, result, workers and numbers; a worker in this process runs what is due."""
    async with visited(application(place, work=True, name="here", concurrency=2)) as client:
        assert (await client.post("/double/21", params={"key": "a/b c"})).json() == "a/b c"
        answer = await ended(client, "/tasks/results/a/b c")
        assert (answer.status_code, answer.json()) == (200, {"state": "completed", "result": 42})
        shown = (await client.get("/tasks/executions/a/b c")).json()
        assert (shown["key"], shown["task"], shown["state"], shown["attempt"]) == ("a/b c", "double", "completed", 1)
        assert shown["worker"] == "here"
        assert shown["progress"] == {**shown["progress"], "current": 1, "total": 3, "message": "doubling"}
        [worker] = (await client.get("/tasks/workers")).json()
        assert (worker["name"], {"double", "fail", "odd"} <= set(worker["tasks"])) == ("here", True)
        await client.post("/double/1", params={"key": "later", "days": 1})
        numbers = (await client.get("/tasks/status")).json()
        assert numbers == {"scheduled": 1, "queued": 0, "parked": 0, "running": 0, "dead": 0, "workers": 1}
        answer = await client.get("/tasks/results/later")
        assert (answer.status_code, answer.json()) == (202, {"state": "scheduled"})


async def test_nothing_that_is_secret_is_shown(place: str) -> None:
    """Neither arguments nor what a task raised; what is not there, or cannot be shown, has a code of its own."""
    async with visited(application(place, work=True)) as client:
        await client.post("/fail")
        failed = await ended(client, "/tasks/results/fail")
        assert (failed.status_code, failed.json()) == (409, {"state": "failed"})
        strange = await ended(client, "/tasks/results/odd")
        assert strange.json() == {"detail": "the result is a complex, which cannot be shown as JSON"}
        assert strange.status_code == 406
        unread = await ended(client, "/tasks/results/fades")
        assert (unread.status_code, unread.json()["detail"]) == (410, "the result is not kept, or cannot be read here")
        await client.post("/double/1", params={"key": "k"})
        await ended(client, "/tasks/results/k")
        answers = [
            await client.get(path) for path in ("/tasks/executions/fail", "/tasks/executions/k", "/tasks/status")
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert "s3cret" not in "".join(answer.text for answer in [failed, strange, *answers])
        for missing in ("nothing", "x" * 5000):
            assert (await client.get(f"/tasks/executions/{missing}")).status_code == 404
            assert (await client.get(f"/tasks/results/{missing}")).status_code == 404


async def test_results_are_shown_to_those_who_ask_for_it() -> None:
    """Whoever mounts the router decides."""
    app = FastAPI(lifespan=lifespan(Shadow("app", "memory://no-results")))
    app.include_router(status_router())
    async with visited(app) as client:
        assert (await client.get("/results/k")).json() == {"detail": "Not Found"}
        assert (await client.get("/executions/k")).json() == {"detail": "nothing is kept of such a call"}
        assert (await client.get("/workers")).json() == []


async def test_a_server_that_is_away_is_no_bug_of_the_service() -> None:
    """503, and not a word about where it is."""
    shadow = Shadow("app", f"redis://127.0.0.1:{free_port()}/0", add_deadline=timedelta(seconds=0.2))
    app = FastAPI(lifespan=lifespan(shadow))
    app.include_router(status_router(results=True))
    async with visited(app) as client:
        for path in ("/status", "/workers", "/executions/k", "/results/k"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (503, {"detail": "the server of the shadow does not answer"})


async def test_an_application_may_have_a_lifespan_of_its_own() -> None:
    """And tasks by their path; when it has ended there is no shadow any more, and it can begin anew."""
    shadow = Shadow("app", "memory://own-lifespan")

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncGenerator[None]:
        async with opened(app, shadow, tasks=[f"{__name__}:double"]):
            yield

    app = FastAPI(lifespan=own)
    app.include_router(status_router())
    for _ in range(2):
        async with visited(app) as client:
            assert (await client.get("/status")).status_code == 200
    assert "double" in shadow.tasks
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        with pytest.raises(RuntimeError, match=r"has no shadow; make it with: FastAPI\(lifespan=lifespan"):
            await client.get("/status")


async def test_arguments_for_a_worker_need_one() -> None:
    """Else they would be ignored."""
    with pytest.raises(ConfigurationError, match=r"concurrency is for the worker of this process; write work=True"):
        async with opened(FastAPI(), Shadow("app", "memory://"), concurrency=2):
            pass


def test_without_fastapi_it_says_what_to_install() -> None:
    """One sentence, with the command."""
    program = "import sys; sys.modules['fastapi'] = None; import shadows.fastapi"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: shadows.fastapi needs FastAPI (")
    assert done.stderr.endswith("; install it with: pip install 'shadow-task[fastapi]'\n")


@pytest.mark.slow
def test_the_example_serves_real_clients() -> None:
    """Uvicorn, HTTP, a task that fails twice, and a key that is placed once."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "examples.fastapi_service:app", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            while "Uvicorn running" not in (line := process.stderr.readline()):
                assert line, "it has ended"
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
                answers = [client.post("/customers/flaky") for _ in range(3)]
                assert [(one.status_code, one.json()) for one in answers] == [(202, {"key": "welcome-flaky"})] * 3
                until = time.monotonic() + PATIENCE
                while (answer := client.get("/tasks/results/welcome-flaky")).status_code == 202:
                    assert time.monotonic() < until
                assert answer.json()["result"] == "welcome, flaky, at the attempt 3"
                assert client.get("/tasks/executions/welcome-flaky").json()["progress"]["current"] == 2
                assert client.get("/tasks/executions/tidy_up").json()["state"] == "scheduled"
                assert client.get("/openapi.json").status_code == 200
        finally:
            process.terminate()
        assert process.wait(PATIENCE) in (0, -15)
